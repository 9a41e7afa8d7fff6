/** Spools in a folder of each test's own, and a file system that fails when it is told to. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromUtf8, utf8 } from '@sallyport/crypto';
import { afterEach, beforeEach, expect } from 'vitest';
import { AuditLogError } from '../../src/errors.ts';
import { nodeSpoolFs } from '../../src/spool/node-fs.ts';
import { encodeHeader } from '../../src/spool/segment.ts';
import { openSpool } from '../../src/spool/spool.ts';
import type { SpoolOptions } from '../../src/spool/spool.ts';
import type { Spool, SpoolFs } from '../../src/spool/types.ts';

export const PRODUCER = 'spiffe://sallyport.local/svc/gateway#1';
export const HEADER_LENGTH = encodeHeader(PRODUCER, 1n).length;

/** For the tests of one file. Those spools that a test leaves open, as a crash does, are closed after it. */
export function spoolFolder() {
  let directory = '';
  const opened: Spool[] = [];

  beforeEach(async () => {
    directory = join(await mkdtemp(join(tmpdir(), 'spool-')), 'spool');
  });
  afterEach(async () => {
    for (const spool of opened.splice(0)) await spool.close();
    await rm(join(directory, '..'), { recursive: true });
  });

  async function segments(): Promise<string[]> {
    return (await readdir(directory))
      .filter((name) => name.endsWith('.seg'))
      .map((name) => join(directory, name));
  }

  return {
    folder: () => directory,
    segments,
    async open(options: Partial<SpoolOptions> = {}): Promise<Spool> {
      const spool = await openSpool({ directory, producer: PRODUCER, ...options });
      opened.push(spool);
      return spool;
    },
    async onlySegment(): Promise<string> {
      const [path, ...more] = await segments();
      expect(more).toEqual([]);
      return path ?? '';
    },
  };
}

export const fill = (spool: Spool, ...texts: string[]) =>
  Promise.all(texts.map((text) => spool.append(utf8(text))));

export async function everything(spool: Spool): Promise<string[]> {
  const found: string[] = [];
  for (let from = spool.floor; from <= spool.head;) {
    const { firstSeq, bodies } = await spool.read(from, 100);
    expect(firstSeq).toBe(from);
    found.push(...bodies.map((body) => fromUtf8(body) ?? '?'));
    from += BigInt(bodies.length);
  }
  return found;
}

/** So that a text of thousands of characters can be compared without being printed. */
export const short = (texts: string[]) =>
  texts.map((text) => (text.length < 100 ? text : `${text.length} of ${[...new Set(text)].join()}`));

export const problem = (action: Promise<unknown>) =>
  action.then(
    () => 'no error',
    (error: unknown) => (error instanceof AuditLogError ? error.problem : error),
  );

type Step = 'create' | 'write' | 'rename' | 'syncDirectory';

/** The real file system, noting each step and failing when told to. */
export function watchedFs() {
  const real = nodeSpoolFs();
  const calls: string[] = [];
  /** With the length of the file before each. */
  const writes: { readonly bytes: Uint8Array; readonly offset: number; readonly lengthBefore: number }[] = [];
  const fail = {
    step: undefined as Step | undefined,
    times: 0,
    /** Of a write that fails: so much is written before, and shorter ones do not fail. */
    writtenBytes: 0,
    fromBytes: 0,
  };
  const fails = (step: Step): boolean => fail.step === step && fail.times > 0;
  function pass(step: Step): void {
    calls.push(step);
    if (!fails(step)) return;
    fail.times -= 1;
    throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  }
  const fs: SpoolFs = {
    ...real,
    async create(path) {
      pass('create');
      const file = await real.create(path);
      let length = 0;
      return {
        async write(bytes, offset) {
          writes.push({ bytes, offset, lengthBefore: length });
          length = Math.max(length, offset + bytes.length);
          if (bytes.length >= fail.fromBytes) {
            if (fails('write')) await file.write(bytes.subarray(0, fail.writtenBytes), offset);
            pass('write');
          }
          await file.write(bytes, offset);
        },
        close: () => file.close(),
      };
    },
    async rename(from, to) {
      pass('rename');
      await real.rename(from, to);
    },
    async syncDirectory(path) {
      pass('syncDirectory');
      await real.syncDirectory(path);
    },
  };
  return { fs, calls, writes, fail };
}
