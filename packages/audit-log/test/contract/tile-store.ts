/** What every TileStore must do; run on each implementation. */
import { describe, expect, it } from 'vitest';
import type { TileStore } from '../../src/index.ts';

export function tileStoreContract(name: string, make: () => Promise<TileStore>): void {
  const bytes = Uint8Array.of(1, 2, 3);

  describe(`TileStore: ${name}`, () => {
    it('has nothing at first', async () => {
      expect(await (await make()).read('tile/0/000')).toBeUndefined();
    });

    it.each([
      'checkpoint',
      'tile/0/000',
      'tile/0/x001/234',
      'tile/63/000.p/5',
      'tile/entries/x001/x234/067.p/255',
    ])('keeps %s as created', async (path) => {
      const store = await make();
      await store.create(path, bytes);
      expect(await store.read(path)).toEqual(bytes);
    });

    it('creating the same again is fine', async () => {
      const store = await make();
      await store.create('tile/0/000', bytes);
      await store.create('tile/0/000', bytes.slice());
    });

    it.each([
      ['another byte', Uint8Array.of(1, 2, 4)],
      ['less', Uint8Array.of(1, 2)],
      ['more', Uint8Array.of(1, 2, 3, 4)],
    ])('creating %s where a tile is, is a conflict and changes nothing', async (_what, other) => {
      const store = await make();
      await store.create('tile/0/000', bytes);
      await expect(store.create('tile/0/000', other)).rejects.toMatchObject({
        problem: 'tile_conflict',
        file: 'tile/0/000',
      });
      expect(await store.read('tile/0/000')).toEqual(bytes);
    });

    it('replaces', async () => {
      const store = await make();
      await store.create('checkpoint', bytes);
      await store.replace('checkpoint', Uint8Array.of(9));
      expect(await store.read('checkpoint')).toEqual(Uint8Array.of(9));
    });

    it('removes, also what is not there', async () => {
      const store = await make();
      await store.create('tile/0/000.p/5', bytes);
      await store.remove('tile/0/000.p/5');
      await store.remove('tile/0/000.p/5');
      expect(await store.read('tile/0/000.p/5')).toBeUndefined();
    });

    it('a full tile and its partial ones live side by side', async () => {
      const store = await make();
      await store.create('tile/0/000.p/5', bytes);
      await store.create('tile/0/000', Uint8Array.of(7));
      expect(await store.read('tile/0/000.p/5')).toEqual(bytes);
      expect(await store.read('tile/0/000')).toEqual(Uint8Array.of(7));
    });

    it('does not keep the memory it was given, nor give away its own', async () => {
      const store = await make();
      const given = bytes.slice();
      await store.create('tile/0/000', given);
      given.fill(0);
      (await store.read('tile/0/000'))?.fill(9);
      expect(await store.read('tile/0/000')).toEqual(bytes);
    });

    it.each([
      '',
      '.',
      '..',
      '/etc/passwd',
      'tile/../../x',
      'tile/0/000/../001',
      'tile/0/0',
      'tile/64/000',
      'Checkpoint',
    ])('refuses the path %j', async (path) => {
      const store = await make();
      await expect(Promise.resolve().then(() => store.read(path))).rejects.toThrow(RangeError);
      await expect(Promise.resolve().then(() => store.create(path, bytes))).rejects.toThrow(RangeError);
      await expect(Promise.resolve().then(() => store.replace(path, bytes))).rejects.toThrow(RangeError);
      await expect(Promise.resolve().then(() => store.remove(path))).rejects.toThrow(RangeError);
    });
  });
}
