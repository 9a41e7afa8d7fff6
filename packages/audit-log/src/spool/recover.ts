/**
 * What a spool folder holds, found again after any end of the process.
 *
 * - Every segment but the last must have all records up to the next one's first; anything else is `spool_corrupt`.
 *   Records from that first on are left over from a write that failed, was refused, and was begun anew there.
 * - The torn tail of the last segment is dropped. It was never acknowledged.
 * - The last segment is always copied, synced and renamed into place. After a failed fsync the kernel may hold pages
 *   that look written and never will be; whoever crashed then would read them back as good. A copy that was synced
 *   with success settles it, and is cheap because a segment is small.
 */
import { join } from 'node:path';
import { AuditLogError } from '../errors.ts';
import { parsePosition } from './position.ts';
import type { SpoolPosition } from './position.ts';
import { fileLength, parseHeader, scanRecords } from './segment.ts';
import type { SpoolFile, SpoolFs } from './types.ts';

/** A segment and where its durable records are. */
export interface Segment {
  readonly path: string;
  readonly firstSeq: bigint;
  readonly offsets: number[];
  /** Offset after the last durable record. */
  end: number;
}

export interface Recovered {
  readonly acknowledged: bigint;
  /** Oldest first; the last one is open for appending. Empty in a new folder. */
  readonly segments: Segment[];
  readonly active?: SpoolFile;
}

export const POSITION_FILE = 'position';
const SEGMENT_NAME = /^[0-9]{20}\.seg$/;

export function segmentPath(directory: string, firstSeq: bigint): string {
  return join(directory, `${firstSeq.toString().padStart(20, '0')}.seg`);
}

export async function recover(fs: SpoolFs, directory: string, producer: string): Promise<Recovered> {
  const names = await fs.list(directory);
  for (const name of names) if (name.endsWith('.tmp')) await fs.remove(join(directory, name));
  const position = await readPosition(fs, directory, producer);
  const paths = names
    .filter((name) => SEGMENT_NAME.test(name))
    .sort()
    .map((name) => join(directory, name));

  let segments: Segment[] = [];
  let last: { readonly bytes: Uint8Array; readonly end: number } | undefined;
  for (const [i, path] of paths.entries()) {
    const bytes = (await fs.readFile(path)) ?? new Uint8Array(0);
    const header = parseHeader(bytes);
    if (header === undefined || path !== segmentPath(directory, header.firstSeq)) {
      throw corrupt(path, 0, 'the header of the segment is damaged');
    }
    if (header.producer !== producer) throw mismatch(path, header.producer, producer);
    const previous = segments.at(-1);
    if (previous !== undefined) closePrevious(previous, header.firstSeq, position?.acknowledged ?? 0n);
    const scan = scanRecords(bytes, header.length, header.firstSeq);
    const isLast = i === paths.length - 1;
    if (isLast && scan.rest === 'damaged') {
      throw corrupt(path, scan.end, 'a record is damaged and later ones are not');
    }
    segments.push({ path, firstSeq: header.firstSeq, offsets: scan.offsets, end: scan.end });
    if (isLast) last = { bytes, end: scan.end };
  }
  const first = segments[0];
  const tail = segments.at(-1);
  if (first === undefined || tail === undefined || last === undefined) {
    if (position !== undefined && position.head > position.acknowledged) {
      throw corrupt(join(directory, POSITION_FILE), 0, 'the segments it speaks of are gone');
    }
    return { acknowledged: position?.head ?? 0n, segments: [] };
  }
  const acknowledged = position?.acknowledged ?? first.firstSeq - 1n;
  if (first.firstSeq > acknowledged + 1n) {
    throw corrupt(first.path, 0, `records ${acknowledged + 1n} to ${first.firstSeq - 1n} before it are gone`);
  }
  const head = lastSeq(tail);
  if (position !== undefined && head < position.head) {
    throw corrupt(tail.path, tail.end, `records ${head + 1n} to ${position.head} were durable and are gone`);
  }
  const done = segments.filter((segment) => segment !== tail && lastSeq(segment) <= acknowledged);
  for (const segment of done) await fs.remove(segment.path);
  segments = segments.filter((segment) => !done.includes(segment));
  const active = await writeSegment(fs, directory, tail.firstSeq, last.bytes.subarray(0, last.end));
  return { acknowledged, segments, active };
}

/** Writes a segment so that its name appears only over complete, durable bytes. The file is open for more. */
export async function writeSegment(
  fs: SpoolFs,
  directory: string,
  firstSeq: bigint,
  bytes: Uint8Array,
): Promise<SpoolFile> {
  const path = segmentPath(directory, firstSeq);
  const temporary = `${path}.tmp`;
  const file = await fs.create(temporary);
  try {
    const padded = new Uint8Array(fileLength(bytes.length));
    padded.set(bytes);
    await file.write(padded, 0);
    await fs.rename(temporary, path);
    await fs.syncDirectory(directory);
    return file;
  } catch (error) {
    await file.close().catch(() => undefined); // the first error is the one to report
    await fs.remove(temporary).catch(() => undefined);
    throw error;
  }
}

/** Sequence of the segment's last durable record; firstSeq − 1 when it has none. */
export function lastSeq(segment: Segment): bigint {
  return segment.firstSeq + BigInt(segment.offsets.length) - 1n;
}

export function corrupt(file: string, offset: number, what: string): AuditLogError {
  return new AuditLogError(
    'spool_corrupt',
    `${file}, byte ${offset}: ${what}. Nothing was changed; keep the file for analysis, then move the folder away.`,
    { file, offset },
  );
}

/** Cuts off what the next segment wrote anew, and makes sure that nothing before it is missing. */
function closePrevious(previous: Segment, nextFirst: bigint, acknowledged: bigint): void {
  const wanted = Number(nextFirst - previous.firstSeq);
  if (previous.offsets.length < wanted) {
    // All of it acknowledged: it is only waiting to be deleted, and may be damaged for all we care.
    if (acknowledged >= nextFirst - 1n) return;
    throw corrupt(previous.path, previous.end, `record ${lastSeq(previous) + 1n} is damaged or missing`);
  }
  const end = previous.offsets[wanted];
  if (end !== undefined) previous.end = end;
  previous.offsets.length = wanted;
}

async function readPosition(
  fs: SpoolFs,
  directory: string,
  producer: string,
): Promise<SpoolPosition | undefined> {
  const path = join(directory, POSITION_FILE);
  const bytes = await fs.readFile(path);
  if (bytes === undefined) return undefined;
  const position = parsePosition(bytes);
  if (position === undefined) throw corrupt(path, 0, 'the acknowledged position is damaged');
  if (position.producer !== producer) throw mismatch(path, position.producer, producer);
  return position;
}

function mismatch(file: string, found: string, wanted: string): AuditLogError {
  return new AuditLogError(
    'spool_mismatch',
    `${file} belongs to ${found}, not to ${wanted}: every producer needs a spool folder of its own`,
    { file },
  );
}
