/**
 * A gzip-compressed tar of a few small files: packed to the same bytes every time, unpacked within bounds.
 *
 * The names an archive may hold are a closed list, so a path that climbs, an absolute one, or a link has no way in.
 */

import { promisify } from 'node:util';
import { constants, gunzip, gzip } from 'node:zlib';
import { extract, pack } from 'tar-stream';

export type ArchiveProblem = 'too_large' | 'not_gzip' | 'not_tar' | 'file_forbidden' | 'file_duplicate';

export type ArchiveBounds = {
  /** Of the compressed archive. */
  readonly maxPackedBytes: number;
  /** Of the tar, headers and padding included. */
  readonly maxUnpackedBytes: number;
  /** File name without leading slash → its own limit in bytes. A name that is not here is forbidden. */
  readonly maxFileBytes: Readonly<Record<string, number>>;
};

type Unpacked =
  | { readonly ok: true; readonly files: ReadonlyMap<string, Uint8Array> }
  | { readonly ok: false; readonly problem: ArchiveProblem };

const GZIP_OS_BYTE = 9;
const GZIP_OS_UNKNOWN = 255; // RFC 1952 section 2.3.1: zlib writes the platform here, which would differ by machine

const compress = promisify(gzip);

/** Packs in the order given. Names are written with a leading slash, as OPA does. */
export async function packArchive(files: ReadonlyMap<string, Uint8Array>): Promise<Uint8Array> {
  const archive = pack();
  for (const [name, content] of files) {
    archive.entry({ name: `/${name}`, mode: 0o600, mtime: new Date(0), type: 'file' }, Buffer.from(content));
  }
  archive.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(chunk as Uint8Array);
  const bytes = new Uint8Array(
    await compress(Buffer.concat(chunks), { level: constants.Z_BEST_COMPRESSION }),
  );
  bytes[GZIP_OS_BYTE] = GZIP_OS_UNKNOWN;
  return bytes;
}

/** Total: every input ends in files or in a problem, within the memory that the bounds allow. Never throws. */
export async function unpackArchive(bytes: Uint8Array, bounds: ArchiveBounds): Promise<Unpacked> {
  if (bytes.length > bounds.maxPackedBytes) return { ok: false, problem: 'too_large' };
  const inflated = await inflate(bytes, bounds.maxUnpackedBytes);
  return typeof inflated === 'string'
    ? { ok: false, problem: inflated }
    : readTar(inflated, bounds.maxFileBytes);
}

async function inflate(
  bytes: Uint8Array,
  maxOutputLength: number,
): Promise<Uint8Array | 'too_large' | 'not_gzip'> {
  return new Promise((resolve) => {
    // With `info` the result carries the engine, which knows how much of the input it consumed.
    gunzip(bytes, { maxOutputLength, info: true }, (error, result) => {
      if (error !== null) {
        resolve('code' in error && error.code === 'ERR_BUFFER_TOO_LARGE' ? 'too_large' : 'not_gzip');
        return;
      }
      const { buffer, engine } = result as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
      resolve(engine.bytesWritten === bytes.length ? buffer : 'not_gzip');
    });
  });
}

async function readTar(tar: Uint8Array, maxFileBytes: Readonly<Record<string, number>>): Promise<Unpacked> {
  const files = new Map<string, Uint8Array>();
  const reader = extract();
  // Destroying the reader below makes it emit an error of its own; without a listener that would be an uncaught one.
  reader.on('error', () => undefined);
  reader.end(Buffer.from(tar));
  try {
    for await (const entry of reader) {
      const { name, size, type } = entry.header;
      const plain = name.startsWith('/') ? name.slice(1) : name;
      const limit = Object.hasOwn(maxFileBytes, plain) ? maxFileBytes[plain] : undefined;
      if (type !== 'file' || limit === undefined) return { ok: false, problem: 'file_forbidden' };
      if (size === undefined || size > limit) return { ok: false, problem: 'too_large' };
      if (files.has(plain)) return { ok: false, problem: 'file_duplicate' };
      const chunks: Uint8Array[] = [];
      for await (const chunk of entry) chunks.push(chunk as Uint8Array);
      files.set(plain, new Uint8Array(Buffer.concat(chunks)));
    }
  } catch {
    return { ok: false, problem: 'not_tar' };
  } finally {
    reader.destroy();
  }
  return files.size === 0 ? { ok: false, problem: 'not_tar' } : { ok: true, files };
}
