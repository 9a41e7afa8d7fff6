import { leafHash, nodeHash, sha256, toHex, utf8 } from '@sallyport/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  memoryTileStore,
  openLog,
  parseTilePath,
  tilePath,
  TileReader,
  TILE_WIDTH,
} from '../../src/index.ts';
import { parseBundle } from '../../src/log/bundle.ts';
import { hashesAtLevel } from '../../src/log/tile-path.ts';

describe('C2SP tlog-tiles: paths', () => {
  it.each([
    [0, 0, 256, 'tile/0/000'],
    [0, 999, 256, 'tile/0/999'],
    [0, 1000, 256, 'tile/0/x001/000'],
    [3, 1_234_067, 256, 'tile/3/x001/x234/067'],
    [0, 273, 112, 'tile/0/273.p/112'],
    [1, 1, 17, 'tile/1/001.p/17'],
    ['entries', 1_234_067, 5, 'tile/entries/x001/x234/067.p/5'],
    [63, Number.MAX_SAFE_INTEGER, 1, 'tile/63/x009/x007/x199/x254/x740/991.p/1'],
  ] as const)('level %s, index %i, width %i is %s', (level, index, width, path) => {
    expect(tilePath(level, index, width)).toBe(path);
    expect(parseTilePath(path)).toEqual({ level, index, width });
  });

  it.each([
    'tile/0/00',
    'tile/0/0000',
    'tile/00/000',
    'tile/64/000',
    'tile/-1/000',
    'tile/0/x000/000',
    'tile/0/x001/x000',
    'tile/0/001/000',
    'tile/0/000.p/0',
    'tile/0/000.p/256',
    'tile/0/000.p/01',
    'tile/0/000.p/',
    'tile/0/000/',
    '/tile/0/000',
    'tile/data/000',
    'tile/0/x999/x999/x999/x999/x999/999',
    'tile/0/000\n',
    '',
  ])('%j is no tile', (path) => {
    expect(parseTilePath(path)).toBeUndefined();
  });

  it.each([
    [-1, 0, 1],
    [64, 0, 1],
    [0, -1, 1],
    [0, 0.5, 1],
    [0, 0, 0],
    [0, 0, 257],
  ])('there is no path for level %i, index %d, width %i', (level, index, width) => {
    expect(() => tilePath(level, index, width)).toThrow(RangeError);
  });

  it('property: parsing is total, and the inverse of writing', () => {
    fc.assert(
      fc.property(
        fc.string(),
        (noise) => parseTilePath(`tile/${noise}`) === undefined || parseTilePath(noise) === undefined,
      ),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 63 }),
        fc.maxSafeNat(),
        fc.integer({ min: 1, max: 256 }),
        (level, index, width) => {
          expect(parseTilePath(tilePath(level, index, width))).toEqual({ level, index, width });
        },
      ),
    );
  });
});

describe('C2SP tlog-tiles: a log of 70,000', () => {
  it('has the tiles of the example', async () => {
    const created = new Set<string>();
    const store = memoryTileStore();
    const log = await openLog(
      {
        ...store,
        create: async (path, bytes) => {
          created.add(path);
          await store.create(path, bytes);
        },
      },
      0,
    );
    await log.append(Array.from({ length: 70_000 }, (_, i) => Uint8Array.of(i >> 16, i >> 8, i)));
    const count = (pattern: RegExp) => [...created].filter((path) => pattern.test(path)).length;
    expect(count(/^tile\/0\/[^.]*$/)).toBe(273);
    expect([...created].filter((path) => /^tile\/[0-9]+\/.*\.p\//.test(path))).toEqual([
      'tile/0/273.p/112',
      'tile/1/001.p/17',
      'tile/2/000.p/1',
    ]);
    expect(count(/^tile\/1\/[^.]*$/)).toBe(1);
    expect(count(/^tile\/entries\/[^.]*$/)).toBe(273);
    expect(created.has('tile/entries/273.p/112')).toBe(true);
    const reader = new TileReader((path) => store.read(path), 70_000);
    expect(toHex(await reader.root())).toBe(toHex(log.root));
    expect((await reader.inclusionPath(69_999)).length).toBeGreaterThan(0);
  });

  it.each([
    [256, 0, 256],
    [256, 1, 1],
    [70_000, 1, 273],
    [70_000, 2, 1],
    [70_000, 3, 0],
  ])('a tree of %i has, at level %i, %i hashes', (size, level, hashes) => {
    expect(hashesAtLevel(size, level)).toBe(hashes);
  });
});

/** The definitions of RFC 9162, as they are written there, slow. */
const naive = {
  root(leaves: readonly Uint8Array[]): Uint8Array {
    const [only] = leaves;
    if (only === undefined) return sha256(new Uint8Array(0));
    if (leaves.length === 1) return leafHash(only);
    const k = naive.split(leaves.length);
    return nodeHash(naive.root(leaves.slice(0, k)), naive.root(leaves.slice(k)));
  },
  path(m: number, leaves: readonly Uint8Array[]): Uint8Array[] {
    if (leaves.length === 1) return [];
    const k = naive.split(leaves.length);
    return m < k
      ? [...naive.path(m, leaves.slice(0, k)), naive.root(leaves.slice(k))]
      : [...naive.path(m - k, leaves.slice(k)), naive.root(leaves.slice(0, k))];
  },
  subproof(m: number, leaves: readonly Uint8Array[], complete: boolean): Uint8Array[] {
    if (m === leaves.length) return complete ? [] : [naive.root(leaves)];
    const k = naive.split(leaves.length);
    return m <= k
      ? [...naive.subproof(m, leaves.slice(0, k), complete), naive.root(leaves.slice(k))]
      : [...naive.subproof(m - k, leaves.slice(k), false), naive.root(leaves.slice(0, k))];
  },
  split(n: number): number {
    return 2 ** Math.floor(Math.log2(n - 1));
  },
};

describe('RFC 9162 over tiles, against the definitions', () => {
  const entries = Array.from({ length: 1100 }, (_, i) => utf8(`entry ${i}`));

  it('property: any way to append gives the same tiles and roots, and every proof is the defined one', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 5 }),
        fc.nat(),
        fc.nat(),
        fc.boolean(),
        async (steps, indexSeed, oldSeed, reopen) => {
          const store = memoryTileStore();
          let log = await openLog(store, 0);
          for (const step of steps) {
            const size = Math.min(log.size + step, entries.length);
            if (reopen) log = await openLog(store, log.size);
            expect(await log.append(entries.slice(log.size, size))).toEqual({
              size,
              root: naive.root(entries.slice(0, size)),
            });
          }
          const { size } = log;
          if (size === 0) return;
          const leaves = entries.slice(0, size);
          const reader = new TileReader((path) => store.read(path), size);
          const index = indexSeed % size;
          expect(await reader.inclusionPath(index)).toEqual(naive.path(index, leaves));
          const old = 1 + (oldSeed % size);
          expect(await reader.consistencyProof(old)).toEqual(naive.subproof(old, leaves, true));
          expect(await reader.root()).toEqual(log.root);
          const bundle = Math.floor(index / TILE_WIDTH);
          const width = Math.min(size - bundle * TILE_WIDTH, TILE_WIDTH);
          const bytes = await store.read(tilePath('entries', bundle, width));
          expect(parseBundle(bytes ?? new Uint8Array(), width)).toEqual(
            leaves.slice(bundle * TILE_WIDTH, bundle * TILE_WIDTH + width),
          );
        },
      ),
      { numRuns: 30 },
    );
  });

  it('partial tiles go when the full one is there', async () => {
    const store = memoryTileStore();
    const log = await openLog(store, 0);
    await log.append(entries.slice(0, 10));
    await log.append(entries.slice(10, 200));
    expect(await store.read('tile/0/000.p/10')).toBeDefined();
    await log.append(entries.slice(200, 300));
    for (const path of ['tile/0/000.p/10', 'tile/0/000.p/200', 'tile/entries/000.p/200']) {
      expect(await store.read(path)).toBeUndefined();
    }
    // A reader at the old size finds the full tile instead.
    const reader = new TileReader((path) => store.read(path), 200);
    expect(await reader.root()).toEqual(naive.root(entries.slice(0, 200)));
  });

  it('property: bundles parse totally', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(5), (noise, count) => {
        const parsed = parseBundle(noise, count);
        if (parsed !== undefined) expect(parsed).toHaveLength(count);
      }),
    );
  });
});
