import { chmod, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { concatBytes, utf8 } from '@sallyport/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  everything,
  fill,
  HEADER_LENGTH,
  problem,
  PRODUCER,
  short,
  spoolFolder,
  watchedFs,
} from '../../test/support/spool-folder.ts';
import { encodeGroup, encodeHeader, GROWTH_BYTES, RECORD_OVERHEAD } from './segment.ts';

/** The least that a disk writes whole or not at all. */
const SECTOR = 512;

const { folder, open, segments, onlySegment } = spoolFolder();

describe('recovery', () => {
  const lastRecord = 'the last record';
  const lastLength = lastRecord.length + RECORD_OVERHEAD;

  const lastEnd = HEADER_LENGTH + 'firstsecond'.length + 2 * RECORD_OVERHEAD + lastLength;

  async function crashed(): Promise<string> {
    const spool = await open();
    await fill(spool, 'first', 'second');
    await fill(spool, lastRecord);
    // No close: a killed process writes no position.
    return onlySegment();
  }

  it('without zeros after the last record, as former versions wrote it, is read and gets them', async () => {
    const path = join(folder(), '00000000000000000001.seg');
    const groups = [encodeGroup(1n, [utf8('first'), utf8('second')]), encodeGroup(3n, [utf8('third')])];
    await mkdir(folder(), { mode: 0o700 });
    await writeFile(path, concatBytes(encodeHeader(PRODUCER, 1n), ...groups), { mode: 0o600 });
    const spool = await open();
    expect((await stat(path)).size).toBe(GROWTH_BYTES);
    expect(await fill(spool, 'fourth')).toEqual([{ seq: 4n }]);
    const again = await open();
    expect(await everything(again)).toEqual(['first', 'second', 'third', 'fourth']);
  });

  it('of zeros without a record, as a crash before the first leaves them, begins there', async () => {
    await open();
    const spool = await open();
    expect(await fill(spool, 'a')).toEqual([{ seq: 1n }]);
  });

  it('property: whichever sectors of the last write a power cut kept, what was resolved is there and nothing is torn', async () => {
    const sizes = fc.array(fc.array(fc.integer({ min: 1, max: 90_000 }), { minLength: 1, maxLength: 4 }), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(sizes, fc.infiniteStream(fc.boolean()), fc.boolean(), async (groups, kept, isLong) => {
        await rm(folder(), { recursive: true, force: true });
        const { fs, writes } = watchedFs();
        const spool = await open({ fs });
        const texts = groups.map((group, g) => group.map((size, i) => `${g}.${i}`.padEnd(size, 'x')));
        for (const group of texts) await fill(spool, ...group);
        const path = await onlySegment();
        const bytes = new Uint8Array(await readFile(path));
        const { offset, bytes: last, lengthBefore } = writes.at(-1) ?? expect.fail('nothing was written');
        for (let at = offset; at < offset + last.length; at = (Math.floor(at / SECTOR) + 1) * SECTOR)
          if (!kept.next().value) bytes.fill(0, at, (Math.floor(at / SECTOR) + 1) * SECTOR);
        await writeFile(path, isLong ? bytes : bytes.subarray(0, lengthBefore));
        const again = await open();
        const found = await everything(again);
        const resolved = texts.slice(0, -1).flat();
        expect(found.length).toBeGreaterThanOrEqual(resolved.length);
        expect(short(found)).toEqual(short(texts.flat().slice(0, found.length)));
        await again.close();
      }),
      { numRuns: 60 },
    );
  });

  it.each(['missing', 'zeros', 'noise'])(
    'of what a crash left while the file grew (%s after the part that arrived) keeps what was before',
    async (rest) => {
      const spool = await open();
      const kept = 'x'.repeat(GROWTH_BYTES - HEADER_LENGTH - RECORD_OVERHEAD - 100);
      await fill(spool, kept);
      await fill(spool, 'y'.repeat(500));
      const path = await onlySegment();
      await truncate(path, GROWTH_BYTES + 50);
      if (rest !== 'missing') await truncate(path, 2 * GROWTH_BYTES);
      if (rest === 'noise') await flipByte(path, GROWTH_BYTES + 5_000);
      const again = await open();
      expect(short(await everything(again))).toEqual(short([kept]));
      expect(await fill(again, 'z')).toEqual([{ seq: 2n }]);
    },
  );

  it.each([1, RECORD_OVERHEAD, lastLength - 1])(
    'a last record of which only what follows byte %i reached the zeros is dropped',
    async (hole) => {
      const path = await crashed();
      await zero(path, lastEnd - lastLength, hole);
      const spool = await open();
      expect(await everything(spool)).toEqual(['first', 'second']);
      expect(await fill(spool, 'third')).toEqual([{ seq: 3n }]);
    },
  );

  it('what is left of a torn group does not follow the record that takes its place', async () => {
    const spool = await open();
    await fill(spool, 'kept');
    await fill(spool, 'torn 1', 'torn 2', 'torn 3');
    await zero(await onlySegment(), HEADER_LENGTH + 4 + RECORD_OVERHEAD, RECORD_OVERHEAD);
    const again = await open();
    await fill(again, 'new  1');
    const third = await open();
    expect(await everything(third)).toEqual(['kept', 'new  1']);
  });

  it('a record after a hole in the zeros is corruption: a group is written when the one before it is durable', async () => {
    const path = await crashed();
    await zero(path, HEADER_LENGTH, lastEnd - lastLength - HEADER_LENGTH);
    await expect(open()).rejects.toMatchObject({
      problem: 'spool_corrupt',
      file: path,
      offset: HEADER_LENGTH,
    });
  });

  it.each(Array.from({ length: lastLength }, (_, i) => i + 1))(
    'a tail torn %i bytes before its end is dropped and its number used again',
    async (missing) => {
      const path = await crashed();
      await truncate(path, lastEnd - missing);
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
    await truncate(path, lastEnd - 3);
    await truncate(path, lastEnd + 5000);
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
    await truncate(path, HEADER_LENGTH + 2 * (RECORD_OVERHEAD + 1) - 1);
    await expect(open()).rejects.toMatchObject({ problem: 'spool_corrupt', file: path });
  });

  it('damage or a missing record in an older segment is corruption', async () => {
    const spool = await open({ segmentBytes: 1 });
    for (const text of ['a', 'b', 'c']) await fill(spool, text);
    const [, second = ''] = await segments();
    await truncate(second, HEADER_LENGTH + RECORD_OVERHEAD);
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
    await flipByte(join(folder(), 'position'), 40);
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
    await writeFile(join(folder(), '00000000000000000002.seg.tmp'), 'half');
    await (await open()).close();
    expect((await readdir(folder())).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('copies and syncs the last segment before going on: what is read back may never have reached the disk', async () => {
    await crashed();
    const { fs, calls } = watchedFs();
    await open({ fs });
    expect(calls).toEqual(['create', 'write', 'rename', 'syncDirectory']);
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

async function zero(path: string, offset: number, length: number): Promise<void> {
  const bytes = new Uint8Array(await readFile(path));
  await writeFile(path, bytes.fill(0, offset, offset + length));
}

async function flipByte(path: string, offset: number): Promise<void> {
  const bytes = new Uint8Array(await readFile(path));
  bytes[offset] = (bytes[offset] ?? 0) ^ 0x41;
  await chmod(path, 0o600);
  await writeFile(path, bytes);
}
