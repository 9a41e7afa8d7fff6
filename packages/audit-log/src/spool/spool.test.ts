import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { utf8 } from '@sallyport/crypto';
import { describe, expect, it } from 'vitest';
import {
  everything,
  fill,
  HEADER_LENGTH,
  problem,
  short,
  spoolFolder,
  watchedFs,
} from '../../test/support/spool-folder.ts';
import type { AuditLogError } from '../errors.ts';
import { nodeSpoolFs } from './node-fs.ts';
import { GROWTH_BYTES, RECORD_OVERHEAD } from './segment.ts';

const { folder, open, segments, onlySegment } = spoolFolder();

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

  it('writes all of a tick with one durable write, and resolves after it', async () => {
    const { fs, calls } = watchedFs();
    const spool = await open({ fs });
    calls.length = 0;
    const appended = fill(spool, ...Array.from({ length: 200 }, (_, i) => `event ${i}`));
    void appended.then(() => calls.push('resolved'));
    await appended;
    await Promise.resolve();
    expect(calls).toEqual(['write', 'resolved']);
    await spool.close();
  });

  it('stays within zeros that are durable, and adds some with the record that does not fit', async () => {
    const { fs, writes } = watchedFs();
    const spool = await open({ fs });
    const path = await onlySegment();
    expect((await stat(path)).size).toBe(GROWTH_BYTES);
    const length = 60_000;
    const ends = [1, 2, 3, 4, 5].map((n) => HEADER_LENGTH + n * (length + RECORD_OVERHEAD));
    writes.length = 0;
    const texts = ['a', 'b', 'c', 'd', 'e'].map((letter) => letter.repeat(length));
    for (const text of texts) await fill(spool, text);
    const grown = 2 * GROWTH_BYTES - (ends[3] ?? 0);
    expect(writes.map(({ bytes }) => bytes.length)).toEqual([
      ...Array<number>(4).fill(length + RECORD_OVERHEAD),
      grown,
    ]);
    expect((await stat(path)).size).toBe(2 * GROWTH_BYTES);
    const again = await open(); // as after a crash
    expect(short(await everything(again))).toEqual(short(texts));
  });

  it.each([-1, 0, 1])('goes on when a record ends %i bytes from where the zeros do', async (over) => {
    const spool = await open();
    const first = 'x'.repeat(GROWTH_BYTES + over - HEADER_LENGTH - RECORD_OVERHEAD);
    await fill(spool, first);
    await fill(spool, 'second');
    expect((await stat(await onlySegment())).size).toBe(2 * GROWTH_BYTES);
    const again = await open();
    expect(short(await everything(again))).toEqual(short([first, 'second']));
  });

  it('works where writes have to be synced by a second call', async () => {
    const spool = await open({ fs: nodeSpoolFs('darwin') });
    await fill(spool, 'a', 'b');
    await spool.acknowledge(1n);
    const again = await open();
    expect(await everything(again)).toEqual(['b']);
  });

  it('keeps folder and files to the owner', async () => {
    const spool = await open();
    await fill(spool, 'a');
    await spool.acknowledge(1n);
    await spool.close();
    expect((await stat(folder())).mode & 0o777).toBe(0o700);
    for (const name of await readdir(folder())) {
      expect((await stat(join(folder(), name))).mode & 0o777).toBe(0o600);
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
    expect(await readFile(join(folder(), 'position'), 'utf8')).toContain('\n3\n3\n');
    await spool.close();
  });
});

describe('failing disks', () => {
  it.each([
    ['before its first byte', 0],
    ['half way', 30],
    ['in its sync', Infinity],
  ])(
    'a write that fails %s rejects every waiting append, and its segment is never trusted again',
    async (_, writtenBytes) => {
      const { fs, calls, fail } = watchedFs();
      const spool = await open({ fs });
      await fill(spool, 'kept');
      fail.step = 'write';
      fail.times = 1;
      fail.writtenBytes = writtenBytes;
      const results = await Promise.allSettled(
        [...Array(5).keys()].map((i) => spool.append(utf8(`lost ${i}`))),
      );
      expect(
        results.map((result) => result.status === 'rejected' && (result.reason as AuditLogError).problem),
      ).toEqual(Array(5).fill('spool_write_failed'));
      const before = await segments();
      calls.length = 0;
      expect(await fill(spool, 'next')).toEqual([{ seq: 2n }]);
      // New file, durable, and its name, before the record is written.
      expect(calls).toEqual(['create', 'write', 'rename', 'syncDirectory', 'write']);
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

  it.each(['create', 'write', 'rename', 'syncDirectory'] as const)(
    'while a new segment fails at %s every append is rejected; then it goes on without a gap',
    async (step) => {
      const { fs, fail } = watchedFs();
      const spool = await open({ fs });
      fail.step = 'write';
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

  it('a disk without room for more zeros rejects the record that needed them, and those after it until there is some', async () => {
    const { fs, fail } = watchedFs();
    const spool = await open({ fs });
    const kept = 'x'.repeat(GROWTH_BYTES - HEADER_LENGTH - 2 * RECORD_OVERHEAD - 1);
    await fill(spool, kept);
    fail.step = 'write';
    fail.times = 3;
    fail.writtenBytes = 10;
    fail.fromBytes = 2 * RECORD_OVERHEAD;
    expect(await fill(spool, 'y')).toEqual([{ seq: 2n }]); // has its place already
    for (let i = 0; i < 3; i++)
      expect(await problem(spool.append(utf8('no room')))).toBe('spool_write_failed');
    const again = await open();
    expect(short(await everything(again))).toEqual(short([kept, 'y']));
    await again.close();
    expect(await fill(spool, 'room')).toEqual([{ seq: 3n }]);
    expect(short(await everything(spool))).toEqual(short([kept, 'y', 'room']));
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
