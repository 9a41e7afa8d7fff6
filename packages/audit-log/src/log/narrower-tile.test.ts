import { describe, expect, test } from 'vitest';
import { utf8 } from '@sallyport/crypto';
import { openLog } from './builder.ts';
import { claimedSize, findTile, readTileAt } from './narrower-tile.ts';
import { memoryTileStore } from './stores.ts';
import { tilePath } from './tile-path.ts';
import type { TileStore } from './types.ts';

const entries = (from: number, to: number): Uint8Array[] =>
  Array.from({ length: to - from }, (_, index) => utf8(`entry ${from + index}`));

/** A store that says which paths it holds. */
function listingStore(): { store: TileStore; paths: Set<string> } {
  const inner = memoryTileStore();
  const paths = new Set<string>();
  return {
    paths,
    store: {
      read: (path) => inner.read(path),
      create: (path, bytes) => inner.create(path, bytes).then(() => void paths.add(path)),
      replace: (path, bytes) => inner.replace(path, bytes).then(() => void paths.add(path)),
      remove: (path) => inner.remove(path).then(() => void paths.delete(path)),
    },
  };
}

const partialsOf = (paths: ReadonlySet<string>): string[] =>
  [...paths].filter((path) => path.includes('.p/')).toSorted();

describe('pruned partial tiles', () => {
  test.each([
    { sizes: [3, 7, 200], size: 200 },
    { sizes: [250, 256], size: 256 },
    { sizes: [255, 300, 600], size: 600 },
  ])('of $sizes only those of the last size are left', async ({ sizes, size }) => {
    const { store, paths } = listingStore();
    const log = await openLog(store, 0);
    for (const next of sizes) {
      await log.append(entries(log.size, next));
      await log.prune();
    }
    const width = size % 256;
    const index = Math.floor(size / 256);
    const levelOne = Math.floor(size / 256);
    const expected = [
      ...(width === 0 ? [] : [tilePath(0, index, width), tilePath('entries', index, width)]),
      ...(levelOne === 0 ? [] : [tilePath(1, 0, levelOne)]),
    ];
    expect(partialsOf(paths)).toEqual(expected.toSorted());
  });

  test('those of an earlier process go too', async () => {
    const { store, paths } = listingStore();
    const first = await openLog(store, 0);
    for (const next of [5, 9, 12]) await first.append(entries(first.size, next));
    const second = await openLog(store, 9);
    await second.append(entries(9, 20));
    await second.prune();
    expect(partialsOf(paths)).toEqual([tilePath(0, 0, 20), tilePath('entries', 0, 20)]);
  });

  test.each([
    { level: 0, index: 0, width: 3 },
    { level: 0, index: 0, width: 256 },
    { level: 0, index: 2, width: 1 },
    { level: 1, index: 0, width: 1 },
    { level: 'entries', index: 0, width: 17 },
    { level: 'entries', index: 2, width: 80 },
  ] as const)(
    '$level/$index at width $width is served from what replaced it',
    async ({ level, index, width }) => {
      const size: number = level === 'entries' || level === 0 ? index * 256 + width : width * 256;
      const then = memoryTileStore();
      await (await openLog(then, 0)).append(entries(0, size));
      const now = memoryTileStore();
      const log = await openLog(now, 0);
      await log.append(entries(0, 600));
      await log.prune();
      const path = tilePath(level, index, width);
      const served = await readTileAt(
        (each) => now.read(each),
        path,
        async () => 600,
      );
      expect(served).toBeDefined();
      expect(served).toEqual(await then.read(path));
    },
  );

  test('a tile that the log does not reach yet is not made up', async () => {
    const store = memoryTileStore();
    await (await openLog(store, 0)).append(entries(0, 10));
    expect(
      await readTileAt(
        (path) => store.read(path),
        tilePath(0, 0, 11),
        async () => 10,
      ),
    ).toBeUndefined();
    expect(
      await readTileAt(
        (path) => store.read(path),
        tilePath(1, 0, 1),
        async () => 10,
      ),
    ).toBeUndefined();
  });

  describe.each([
    { what: 'a partial tile', path: tilePath(0, 0, 3) },
    { what: 'a partial bundle', path: tilePath('entries', 0, 3) },
  ])('$what of a log that grows while it is looked for', ({ path }) => {
    /** Of 3 leaves; `grow` stores a checkpoint of more and drops what only the one before needed. */
    async function growing() {
      const store = memoryTileStore();
      const log = await openLog(store, 0);
      let size = 0;
      const grow = async (to: number): Promise<void> => {
        await log.append(entries(log.size, to));
        size = to;
        await log.prune();
      };
      await grow(3);
      return { store, grow, readSize: async () => size, original: await store.read(path) };
    }

    // Every read of a store is a point at which the log may have gone on: before it, and before the size is asked for.
    test.each([1, 2, 3, 5, 20])('is found when it grows before each of the first %i reads', async (times) => {
      const { store, grow, readSize, original } = await growing();
      let reads = 0;
      const growFirst = async (each: string): Promise<Uint8Array | undefined> => {
        if (reads++ < times) await grow(3 + reads * 2);
        return store.read(each);
      };
      expect(await readTileAt(growFirst, path, readSize)).toEqual(original);
    });

    test('is found when it grows after the size was asked for', async () => {
      const { store, grow, readSize, original } = await growing();
      await grow(7);
      let asked = 0;
      const growAfter = async (): Promise<number> => {
        const size = await readSize();
        if (asked++ < 4) await grow(size + 5);
        return size;
      };
      expect(await readTileAt((each) => store.read(each), path, growAfter)).toEqual(original);
    });

    test('is found when it grows to a full one', async () => {
      const { store, grow, readSize, original } = await growing();
      const growFirst = async (each: string): Promise<Uint8Array | undefined> => {
        if (each === path) await grow(300);
        return store.read(each);
      };
      expect(await readTileAt(growFirst, path, readSize)).toEqual(original);
    });

    test('is missing, after a bounded number of looks, where sizes are made up', async () => {
      let [reads, size] = [0, 3];
      const nothing = async (): Promise<undefined> => void reads++;
      expect(await findTile(nothing, path, async () => ++size % 256)).toBeUndefined();
      expect(reads).toBeLessThan(100);
    });

    test('that somebody removed is missing', async () => {
      const { store, readSize } = await growing();
      await store.remove(path);
      expect(await findTile((each) => store.read(each), path, readSize)).toBeUndefined();
    });
  });

  test('a note that is no checkpoint claims no leaves', () => {
    expect(claimedSize(undefined)).toBe(0);
    expect(claimedSize(utf8('sallyport.local/audit\n12\n'))).toBe(0);
  });
});
