/** What every store promises of checkpoints and of who writes them. */
import { describe, expect, test } from 'vitest';
import type { SavedCheckpoint } from '../../src/app/ports.ts';
import type { Promised, Writer } from '../../src/domain/fence.ts';
import type { AuditStore } from '../../src/store/store.ts';

export const tree = (size: number, filling = size): Promised => ({
  size,
  root: new Uint8Array(32).fill(filling),
});

const noteOf = ({ size, root }: Promised, verifierKey = 'k'): SavedCheckpoint => ({
  size,
  note: Uint8Array.of(size, root[0] ?? 0),
  verifierKey,
});

/** Becomes the writer, whoever was it. */
export async function takeOver(store: AuditStore, holder: string): Promise<Writer> {
  const { fence } = await store.checkpoints.state();
  const term = await store.fence.take(holder, fence);
  if (term === undefined) throw new Error('somebody else took it');
  return { term, holder };
}

/** Promises and saves, as a writer does around its signature. */
export async function checkpointOf(store: AuditStore, writer: Writer, next: Promised, verifierKey?: string) {
  const { fence } = await store.checkpoints.state();
  return (
    (await store.fence.promise(writer, { after: fence?.promised, next })) &&
    (await store.fence.save(writer, next, noteOf(next, verifierKey)))
  );
}

export function fenceContract(name: string, fresh: () => Promise<AuditStore>): void {
  describe(`fence: ${name}`, () => {
    test('nobody writes at first', async () => {
      const store = await fresh();
      expect(await store.checkpoints.state()).toEqual({ leaves: 0 });
      expect(await store.checkpoints.saved()).toBeUndefined();
    });

    test('the first of two that saw the same takes the term', async () => {
      const store = await fresh();
      const claims = await Promise.all(['a', 'b', 'c'].map((each) => store.fence.take(each, undefined)));
      expect(claims.filter((term) => term !== undefined)).toEqual([1n]);
      const { fence } = await store.checkpoints.state();
      const again = await Promise.all(['a', 'b', 'c'].map((each) => store.fence.take(each, fence)));
      expect(again.filter((term) => term !== undefined)).toEqual([2n]);
    });

    test('a term is not taken from a holder that did something meanwhile', async () => {
      const store = await fresh();
      const a = await takeOver(store, 'a');
      const { fence } = await store.checkpoints.state();
      expect(await store.fence.beat(a)).toBe(true);
      expect(await store.fence.take('b', fence)).toBeUndefined();
      expect(await store.fence.take('b', undefined)).toBeUndefined();
      expect(await store.fence.beat(a)).toBe(true);
    });

    test('each thing the holder does is a beat', async () => {
      const store = await fresh();
      const beats: (bigint | undefined)[] = [];
      const look = async () => beats.push((await store.checkpoints.state()).fence?.beat);
      const a = await takeOver(store, 'a');
      await look();
      await store.fence.beat(a);
      await look();
      await store.fence.promise(a, { after: undefined, next: tree(1) });
      await look();
      await store.fence.save(a, tree(1), noteOf(tree(1)));
      await look();
      await store.fence.release(a);
      await look();
      expect(new Set(beats).size).toBe(5);
    });

    test('keeps what was promised and what is saved', async () => {
      const store = await fresh();
      const a = await takeOver(store, 'a');
      expect(await checkpointOf(store, a, tree(0))).toBe(true);
      expect(await checkpointOf(store, a, tree(7))).toBe(true);
      expect(await store.fence.promise(a, { after: tree(7), next: tree(9) })).toBe(true);
      const state = await store.checkpoints.state();
      expect(state).toMatchObject({ leaves: 0, saved: noteOf(tree(7)), fence: { term: 1n, holder: 'a' } });
      expect(state.fence?.promised).toEqual(tree(9));
      expect(await store.checkpoints.saved()).toEqual(noteOf(tree(7)));
    });

    test('a new key signs the same tree again', async () => {
      const store = await fresh();
      const a = await takeOver(store, 'a');
      expect(await checkpointOf(store, a, tree(3))).toBe(true);
      expect(await checkpointOf(store, a, tree(3), 'k2')).toBe(true);
      expect((await store.checkpoints.saved())?.verifierKey).toBe('k2');
    });

    test.each<[string, { after: Promised | undefined; next: Promised }]>([
      ['of the same size and another root', { after: tree(5), next: tree(5, 6) }],
      ['that is smaller', { after: tree(5), next: tree(4) }],
      ['after one that was never made', { after: undefined, next: tree(6) }],
      ['after one of another root', { after: tree(5, 9), next: tree(6) }],
      ['after one of another size', { after: tree(4, 5), next: tree(6) }],
    ])('no promise %s', async (_what, succession) => {
      const store = await fresh();
      const a = await takeOver(store, 'a');
      expect(await store.fence.promise(a, { after: undefined, next: tree(5) })).toBe(true);
      expect(await store.fence.promise(a, succession)).toBe(false);
      expect((await store.checkpoints.state()).fence?.promised).toEqual(tree(5));
      expect(await store.fence.promise(a, { after: tree(5), next: tree(5) })).toBe(true);
    });

    test('no checkpoint but of the last promise', async () => {
      const store = await fresh();
      const a = await takeOver(store, 'a');
      expect(await store.fence.save(a, tree(1), noteOf(tree(1)))).toBe(false);
      await store.fence.promise(a, { after: undefined, next: tree(5) });
      for (const other of [tree(4), tree(5, 6), tree(6)])
        expect(await store.fence.save(a, other, noteOf(other))).toBe(false);
      expect(await store.checkpoints.saved()).toBeUndefined();
    });

    test('a former writer that wakes up promises, saves and releases nothing', async () => {
      const store = await fresh();
      const former = await takeOver(store, 'a');
      await checkpointOf(store, former, tree(3));
      await store.fence.promise(former, { after: tree(3), next: tree(5) }); // and pauses: signed or not
      const { fence } = await store.checkpoints.state();
      const writer = await takeOver(store, 'b');
      expect(writer.term).toBe(2n);
      // It knows of the promise, though its note was never saved.
      expect((await store.checkpoints.state()).fence?.promised).toEqual(tree(5));
      expect(await store.fence.promise(writer, { after: tree(5), next: tree(8) })).toBe(true);

      expect(await store.fence.save(former, tree(5), noteOf(tree(5)))).toBe(false);
      expect(await store.fence.promise(former, { after: tree(5), next: tree(6) })).toBe(false);
      expect(await store.fence.promise(former, { after: tree(8), next: tree(9) })).toBe(false);
      expect(await store.fence.beat(former)).toBe(false);
      await store.fence.release(former);
      expect(await store.fence.take('a', fence)).toBeUndefined();
      expect(await store.fence.save(writer, tree(8), noteOf(tree(8)))).toBe(true);
      expect((await store.checkpoints.state()).fence).toMatchObject({ term: 2n, holder: 'b' });
    });

    test('the same replica in a new process is another writer', async () => {
      const store = await fresh();
      const before = await takeOver(store, 'a');
      const after = await takeOver(store, 'a');
      expect(await store.fence.beat(before)).toBe(false);
      expect(await store.fence.beat(after)).toBe(true);
    });

    test('a released term has no holder, and its promise stays', async () => {
      const store = await fresh();
      const a = await takeOver(store, 'a');
      await store.fence.promise(a, { after: undefined, next: tree(5) });
      await store.fence.release(a);
      expect((await store.checkpoints.state()).fence).toMatchObject({
        term: 1n,
        holder: '',
        promised: tree(5),
      });
      expect(await store.fence.beat(a)).toBe(false);
    });

    test('two that promise at once leave one chain', async () => {
      const store = await fresh();
      const a = await takeOver(store, 'a');
      const made = await Promise.all(
        [6, 7, 8, 9].map((filling) => store.fence.promise(a, { after: undefined, next: tree(5, filling) })),
      );
      expect(made.filter((each) => each)).toHaveLength(1);
    });

    test('knows how far each folder is', async () => {
      const store = await fresh();
      expect(await store.folders.folderSize('a')).toBeUndefined();
      await store.folders.noteFolder('a', 9);
      await store.folders.noteFolder('b', 3);
      await store.folders.noteFolder('a', 0);
      expect([await store.folders.folderSize('a'), await store.folders.folderSize('b')]).toEqual([0, 3]);
    });
  });
}
