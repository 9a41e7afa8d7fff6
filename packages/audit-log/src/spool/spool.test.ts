import { chmod, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromUtf8, utf8 } from '@sallyport/crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AuditLogError } from '../errors.ts';
import { nodeSpoolFs } from './node-fs.ts';
import { encodeHeader, RECORD_OVERHEAD } from './segment.ts';
import { openSpool } from './spool.ts';
import type { SpoolOptions } from './spool.ts';
import type { Spool, SpoolFs } from './types.ts';

const PRODUCER = 'spiffe://sallyport.local/svc/gateway#1';
const HEADER_LENGTH = encodeHeader(PRODUCER, 1n).length;
let directory: string;

beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'spool-')), 'spool');
});
afterEach(async () => {
  for (const spool of opened.splice(0)) await spool.close(); // those that a test left as after a crash
  await rm(join(directory, '..'), { recursive: true });
});

const opened: Spool[] = [];

async function open(options: Partial<SpoolOptions> = {}): Promise<Spool> {
  const spool = await openSpool({ directory, producer: PRODUCER, ...options });
  opened.push(spool);
  return spool;
}

const fill = (spool: Spool, ...texts: string[]) => Promise.all(texts.map((text) => spool.append(utf8(text))));

async function everything(spool: Spool): Promise<string[]> {
  const found: string[] = [];
  for (let from = spool.floor; from <= spool.head;) {
    const { firstSeq, bodies } = await spool.read(from, 100);
    expect(firstSeq).toBe(from);
    found.push(...bodies.map((body) => fromUtf8(body) ?? '?'));
    from += BigInt(bodies.length);
  }
  return found;
}

async function segments(): Promise<string[]> {
  return (await readdir(directory))
    .filter((name) => name.endsWith('.seg'))
    .map((name) => join(directory, name));
}

async function onlySegment(): Promise<string> {
  const [path, ...more] = await segments();
  expect(more).toEqual([]);
  return path ?? '';
}

const problem = (action: Promise<unknown>) =>
  action.then(
    () => 'no error',
    (error: unknown) => (error instanceof AuditLogError ? error.problem : error),
  );

describe('appending', () => {
  it('numbers records without gaps, over restarts', async () => {
    const spool = await open();
    expect(await fill(spool, 'a', 'b')).toEqual([{ seq: 1n }, { seq: 2n }]);
    await spool.close();
    const again = await open();
    expect(await fill(again, 'c')).toEqual([{ seq: 3n }]);
    expect(await everything(again)).toEqual(['a', 'b', 'c']);
    await again.close();
  });

  it('writes all of a tick with one write and one fdatasync, and resolves after it', async () => {
    const { fs, calls } = watchedFs();
    const spool = await open({ fs });
    calls.length = 0;
    const appended = fill(spool, ...Array.from({ length: 200 }, (_, i) => `event ${i}`));
    void appended.then(() => calls.push('resolved'));
    await appended;
    await Promise.resolve();
    expect(calls).toEqual(['append', 'sync', 'resolved']);
    await spool.close();
  });

  it('keeps folder and files to the owner', async () => {
    const spool = await open();
    await fill(spool, 'a');
    await spool.acknowledge(1n);
    await spool.close();
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(directory)) {
      expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600);
    }
  });

  it.each([0, 1024 * 1024 + 1])('refuses a record of %i bytes', async (length) => {
    const spool = await open();
    expect(await problem(spool.append(new Uint8Array(length)))).toBe('too_large');
    await spool.close();
  });

  it('refuses with spool_full at its bound, keeps the reserve for those who may use it, and recovers', async () => {
    const spool = await open({ maxBytes: 200, reserveBytes: 60 });
    await fill(spool, 'x'.repeat(100));
    expect(spool.depthBytes).toBe(100 + RECORD_OVERHEAD);
    expect(await problem(spool.append(utf8('y'.repeat(20))))).toBe('spool_full');
    await spool.append(utf8('y'.repeat(20)), { useReserve: true });
    expect(spool.full).toBe(true);
    expect(await problem(spool.append(utf8('y'.repeat(40)), { useReserve: true }))).toBe('spool_full');
    await spool.acknowledge(2n);
    expect(spool.full).toBe(false);
    expect(spool.depthBytes).toBe(0);
    expect(await fill(spool, 'z')).toEqual([{ seq: 3n }]);
    await spool.close();
  });

  it('after close refuses everything', async () => {
    const spool = await open();
    const last = fill(spool, 'a');
    await spool.close();
    expect(await last).toEqual([{ seq: 1n }]);
    expect(await problem(spool.append(utf8('b')))).toBe('spool_closed');
    expect(await problem(spool.read(1n, 10))).toBe('spool_closed');
    expect(await problem(spool.acknowledge(1n))).toBe('spool_closed');
  });
});

describe('acknowledging', () => {
  it('moves the floor, survives a restart and deletes what is done', async () => {
    const spool = await open({ segmentBytes: 1 });
    for (const text of ['a', 'b', 'c', 'd']) await fill(spool, text);
    expect(await segments()).toHaveLength(4);
    await spool.acknowledge(3n);
    expect(await segments()).toHaveLength(1);
    expect([spool.floor, spool.head]).toEqual([4n, 4n]);
    await spool.close();
    const again = await open();
    expect(again.floor).toBe(4n);
    expect(await everything(again)).toEqual(['d']);
    await again.acknowledge(4n);
    await again.close();
    const empty = await open();
    expect(await fill(empty, 'e')).toEqual([{ seq: 5n }]);
    await empty.close();
  });

  it('of what was never appended is refused', async () => {
    const spool = await open();
    await fill(spool, 'a');
    expect(await problem(spool.acknowledge(2n))).toBe('invalid_acknowledgement');
    await spool.close();
  });

  it('joins many calls and resolves each when its number is persisted', async () => {
    const spool = await open();
    await fill(spool, 'a', 'b', 'c');
    await Promise.all([spool.acknowledge(1n), spool.acknowledge(3n), spool.acknowledge(2n)]);
    expect(spool.floor).toBe(4n);
    expect(await readFile(join(directory, 'position'), 'utf8')).toContain('\n3\n3\n');
    await spool.close();
  });
});

describe('recovery', () => {
  const lastRecord = 'the last record';
  const lastLength = lastRecord.length + RECORD_OVERHEAD;

  async function crashed(): Promise<string> {
    const spool = await open();
    await fill(spool, 'first', 'second');
    await fill(spool, lastRecord);
    // No close: a killed process writes no position.
    return onlySegment();
  }

  it.each(Array.from({ length: lastLength }, (_, i) => i + 1))(
    'a tail torn %i bytes before its end is dropped and its number used again',
    async (missing) => {
      const path = await crashed();
      await truncate(path, (await stat(path)).size - missing);
      const spool = await open();
      expect(await everything(spool)).toEqual(['first', 'second']);
      expect(await fill(spool, 'third')).toEqual([{ seq: 3n }]);
      await spool.close();
      const again = await open();
      expect(await everything(again)).toEqual(['first', 'second', 'third']);
      await again.close();
    },
  );

  it('a tail of zeros, as a file system may leave it, is dropped', async () => {
    const path = await crashed();
    const size = (await stat(path)).size;
    await truncate(path, size - 3);
    await truncate(path, size + 5000);
    const spool = await open();
    expect(await everything(spool)).toEqual(['first', 'second']);
    await spool.close();
  });

  it.each(Array.from({ length: 5 + RECORD_OVERHEAD }, (_, i) => i))(
    'a change at byte %i of an earlier group is corruption, named with file and offset',
    async (i) => {
      const path = await crashed();
      await flipByte(path, HEADER_LENGTH + i);
      await expect(open()).rejects.toMatchObject({
        problem: 'spool_corrupt',
        file: path,
        offset: HEADER_LENGTH,
      });
    },
  );

  it('a changed header is corruption', async () => {
    const path = await crashed();
    await flipByte(path, 12);
    await expect(open()).rejects.toMatchObject({ problem: 'spool_corrupt', file: path, offset: 0 });
  });

  it('a tail lost after a clean close is corruption, not a torn tail', async () => {
    const spool = await open();
    await fill(spool, 'a');
    await fill(spool, 'b');
    await spool.close();
    const path = await onlySegment();
    await truncate(path, (await stat(path)).size - 1);
    await expect(open()).rejects.toMatchObject({ problem: 'spool_corrupt', file: path });
  });

  it('damage or a missing record in an older segment is corruption', async () => {
    const spool = await open({ segmentBytes: 1 });
    for (const text of ['a', 'b', 'c']) await fill(spool, text);
    const [, second = ''] = await segments();
    await truncate(second, (await stat(second)).size - 1);
    await expect(open()).rejects.toMatchObject({ problem: 'spool_corrupt', file: second });
    await rm(second);
    await expect(open()).rejects.toMatchObject({ problem: 'spool_corrupt' });
  });

  it('a missing oldest segment is corruption', async () => {
    const spool = await open({ segmentBytes: 1 });
    for (const text of ['a', 'b', 'c']) await fill(spool, text);
    await spool.acknowledge(1n);
    const [oldest = ''] = await segments();
    await rm(oldest);
    await expect(open()).rejects.toMatchObject({ problem: 'spool_corrupt' });
  });

  it('a damaged position is corruption', async () => {
    const spool = await open();
    await spool.close();
    await flipByte(join(directory, 'position'), 40);
    await expect(open()).rejects.toMatchObject({ problem: 'spool_corrupt' });
  });

  it("another producer's folder is refused", async () => {
    await (await open()).close();
    expect(await problem(open({ producer: 'spiffe://sallyport.local/svc/key-service#1' }))).toBe(
      'spool_mismatch',
    );
  });

  it('leftovers of unfinished renames are removed', async () => {
    await (await open()).close();
    await writeFile(join(directory, '00000000000000000002.seg.tmp'), 'half');
    await (await open()).close();
    expect((await readdir(directory)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('copies and syncs the last segment before going on: what is read back may never have reached the disk', async () => {
    await crashed();
    const { fs, calls } = watchedFs();
    await open({ fs });
    expect(calls).toEqual(['create', 'append', 'sync', 'rename', 'syncDirectory']);
  });

  it('reading a record that changed on disk throws instead of shipping it', async () => {
    const spool = await open();
    await fill(spool, 'a', 'b');
    const path = await onlySegment();
    await flipByte(path, HEADER_LENGTH + RECORD_OVERHEAD);
    await expect(spool.read(1n, 100)).rejects.toMatchObject({
      problem: 'spool_corrupt',
      file: path,
      offset: HEADER_LENGTH,
    });
    await spool.close();
  });
});

describe('failing disks', () => {
  it.each(['append', 'sync'] as const)(
    'a failed %s rejects every waiting append and never trusts the segment again',
    async (step) => {
      const { fs, calls, fail } = watchedFs();
      const spool = await open({ fs });
      await fill(spool, 'kept');
      fail.step = step;
      fail.times = 1;
      const results = await Promise.allSettled(
        [...Array(5).keys()].map((i) => spool.append(utf8(`lost ${i}`))),
      );
      expect(
        results.map((result) => result.status === 'rejected' && (result.reason as AuditLogError).problem),
      ).toEqual(Array(5).fill('spool_write_failed'));
      const before = await segments();
      calls.length = 0;
      expect(await fill(spool, 'next')).toEqual([{ seq: 2n }]);
      // New file, its fsync and that of the folder, before the record is written.
      expect(calls).toEqual(['create', 'append', 'sync', 'rename', 'syncDirectory', 'append', 'sync']);
      expect(await segments()).toHaveLength(before.length + 1);
      expect(await everything(spool)).toEqual(['kept', 'next']);
      expect(spool.depthBytes).toBe(8 + 2 * RECORD_OVERHEAD);
      // Crash: the failed records are still in the old file and must not come back.
      const again = await open();
      expect(await everything(again)).toEqual(['kept', 'next']);
      await again.close();
      await spool.close();
    },
  );

  it.each(['create', 'append', 'sync', 'rename', 'syncDirectory'] as const)(
    'while a new segment fails at %s every append is rejected; then it goes on without a gap',
    async (step) => {
      const { fs, fail } = watchedFs();
      const spool = await open({ fs });
      fail.step = 'sync';
      fail.times = 1;
      expect(await problem(spool.append(utf8('x')))).toBe('spool_write_failed');
      fail.step = step;
      fail.times = 3;
      for (let i = 0; i < 3; i++) expect(await problem(spool.append(utf8('x')))).toBe('spool_write_failed');
      expect(await fill(spool, 'a', 'b')).toEqual([{ seq: 1n }, { seq: 2n }]);
      await spool.close();
      const again = await open();
      expect(await everything(again)).toEqual(['a', 'b']);
      await again.close();
    },
  );

  it('a write that stops half way leaves nothing of itself', async () => {
    const { fs, fail } = watchedFs();
    const spool = await open({ fs });
    await fill(spool, 'kept');
    fail.step = 'append';
    fail.times = 1;
    fail.partialBytes = 30;
    expect(await problem(spool.append(utf8('much longer than thirty bytes, surely')))).toBe(
      'spool_write_failed',
    );
    const again = await open();
    expect(await everything(again)).toEqual(['kept']);
    await again.close();
    await spool.close();
  });

  it('an acknowledgement that cannot be persisted is rejected and can be repeated', async () => {
    const { fs, fail } = watchedFs();
    const spool = await open({ fs });
    await fill(spool, 'a');
    fail.step = 'rename';
    fail.times = 1;
    await expect(spool.acknowledge(1n)).rejects.toThrow('ENOSPC');
    expect(spool.floor).toBe(1n);
    await spool.acknowledge(1n);
    expect(spool.floor).toBe(2n);
    await spool.close();
  });

  it('a folder that cannot be written refuses to open', async () => {
    const { fs, fail } = watchedFs();
    fail.step = 'create';
    fail.times = 1;
    await expect(open({ fs })).rejects.toThrow('ENOSPC');
  });
});

type Step = 'create' | 'append' | 'sync' | 'rename' | 'syncDirectory';

/** The real file system, noting each step and failing when told to. */
function watchedFs() {
  const real = nodeSpoolFs();
  const calls: string[] = [];
  const fail: { step: Step | undefined; times: number; partialBytes: number } = {
    step: undefined,
    times: 0,
    partialBytes: 0,
  };
  function pass(step: Step): void {
    calls.push(step);
    if (fail.step !== step || fail.times === 0) return;
    fail.times -= 1;
    throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  }
  const fs: SpoolFs = {
    ...real,
    async create(path) {
      pass('create');
      const file = await real.create(path);
      return {
        async append(bytes) {
          if (fail.step === 'append' && fail.times > 0)
            await file.append(bytes.subarray(0, fail.partialBytes));
          pass('append');
          await file.append(bytes);
        },
        async sync() {
          pass('sync');
          await file.sync();
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
  return { fs, calls, fail };
}

async function flipByte(path: string, offset: number): Promise<void> {
  const bytes = new Uint8Array(await readFile(path));
  bytes[offset] = (bytes[offset] ?? 0) ^ 0x41;
  await chmod(path, 0o600);
  await writeFile(path, bytes);
}
