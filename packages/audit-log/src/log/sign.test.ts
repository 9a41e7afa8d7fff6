import { ED25519, utf8 } from '@sallyport/crypto';
import { describe, expect, it } from 'vitest';
import { ORIGIN, SampleLog, signer, verifierKey } from '../../test/support/sample-log.ts';
import { openLog } from './builder.ts';
import { formatCheckpoint, verifyCheckpoint } from './checkpoint.ts';
import { parseVerifierKey, signNote } from './note.ts';
import { signCheckpoint } from './sign.ts';
import { memoryTileStore } from './stores.ts';
import type { NoteSigner, TileStore } from './types.ts';

const key = parseVerifierKey(verifierKey);
const entries = Array.from({ length: 400 }, (_, i) => utf8(`entry ${i}`));

async function signedLog(size: number): Promise<TileStore> {
  const store = memoryTileStore();
  const log = await openLog(store, 0);
  await log.append(entries.slice(0, size));
  await signCheckpoint({ store, log, signer });
  return store;
}

describe('signing a checkpoint', () => {
  it('signs the log as it is, and again when it has grown', async () => {
    const store = await signedLog(300);
    const log = await openLog(store, 300);
    await log.append(entries.slice(300));
    const { checkpoint, note } = await signCheckpoint({ store, log, signer });
    expect(checkpoint).toMatchObject({ origin: ORIGIN, size: 400 });
    expect(await store.read('checkpoint')).toEqual(note);
    expect(verifyCheckpoint(note, key === undefined ? [] : [key])).toMatchObject({ ok: true, checkpoint });
  });

  it('returns the stored one when nothing was added', async () => {
    const store = await signedLog(300);
    const counting: NoteSigner = { ...signer, sign: () => Promise.reject(new Error('not asked')) };
    const { note } = await signCheckpoint({ store, log: await openLog(store, 300), signer: counting });
    expect(note).toEqual(await store.read('checkpoint'));
  });

  it('signs anew with a new key, given the earlier one', async () => {
    const store = await signedLog(300);
    const pair = ED25519.generate();
    const next: NoteSigner = {
      name: ORIGIN,
      publicKey: ED25519.rawPublicKey(pair.publicKey),
      sign: async (message) => ED25519.sign(pair.privateKey, message),
    };
    const log = await openLog(store, 300);
    await expect(signCheckpoint({ store, log, signer: next })).rejects.toMatchObject({
      problem: 'log_inconsistent',
    });
    const before = await store.read('checkpoint');
    await signCheckpoint({ store, log, signer: next, earlierKeys: key === undefined ? [] : [key] });
    expect(await store.read('checkpoint')).not.toEqual(before);
  });

  async function refused(store: TileStore, size: number): Promise<void> {
    const log = await openLog(store, size);
    const before = await store.read('checkpoint');
    await expect(signCheckpoint({ store, log, signer })).rejects.toMatchObject({
      problem: 'log_inconsistent',
      file: 'checkpoint',
    });
    expect(await store.read('checkpoint')).toEqual(before);
  }

  it('refuses when the stored checkpoint is damaged', async () => {
    const store = await signedLog(300);
    await store.replace('checkpoint', utf8('nonsense'));
    await refused(store, 300);
  });

  it('refuses when the log is shorter than what was signed', async () => {
    const store = await signedLog(300);
    const log = await openLog(memoryTileStore(), 0);
    await log.append(entries.slice(0, 200));
    await expect(signCheckpoint({ store, log, signer })).rejects.toMatchObject({
      problem: 'log_inconsistent',
    });
  });

  it('refuses when the tiles are of another history', async () => {
    const store = await signedLog(300);
    const other = memoryTileStore();
    const log = await openLog(other, 0);
    await log.append([utf8('other'), ...entries.slice(1)]);
    await other.replace('checkpoint', (await store.read('checkpoint')) ?? new Uint8Array());
    await refused(other, 400);
  });

  it('refuses when the stored checkpoint signs a root that the tiles never had', async () => {
    const store = await signedLog(300);
    const note = await signNote(formatCheckpoint({ origin: ORIGIN, size: 300, root: new Uint8Array(32) }), [
      signer,
    ]);
    await store.replace('checkpoint', note);
    await refused(store, 300);
  });

  it('does not store what the signer got wrong', async () => {
    const store = await signedLog(300);
    const log = await openLog(store, 300);
    await log.append(entries.slice(300));
    const before = await store.read('checkpoint');
    const wrong: NoteSigner = { ...signer, sign: async () => new Uint8Array(64) };
    await expect(signCheckpoint({ store, log, signer: wrong })).rejects.toMatchObject({
      problem: 'log_inconsistent',
    });
    expect(await store.read('checkpoint')).toEqual(before);
  });
});

describe('opening a log', () => {
  it.each(['tile/0/001.p/44', 'tile/1/000.p/1', 'tile/entries/001.p/44'])(
    'without %s is refused by name',
    async (path) => {
      const { store } = await SampleLog.ofSize(300);
      await store.remove(path);
      await expect(openLog(store, 300)).rejects.toMatchObject({ problem: 'log_inconsistent', file: path });
    },
  );

  it('with an edge that is not that of its entries is refused', async () => {
    const sample = await SampleLog.ofSize(300);
    await sample.flip('tile/0/001.p/44', 64);
    await expect(openLog(sample.store, 300)).rejects.toMatchObject({ file: 'tile/0/001.p/44', offset: 64 });
  });

  it('another history over existing tiles is a conflict, and the builder stops', async () => {
    const { store } = await SampleLog.ofSize(300);
    const log = await openLog(store, 0);
    await expect(log.append(entries.slice(0, 300))).rejects.toMatchObject({ problem: 'tile_conflict' });
    await expect(log.append([])).rejects.toMatchObject({ problem: 'log_inconsistent' });
  });

  it('at an earlier size goes on over tiles that a crash left behind', async () => {
    const store = await signedLog(200);
    await (await openLog(store, 200)).append(entries.slice(200, 390));
    const again = await openLog(store, 200);
    expect(await again.append(entries.slice(200))).toMatchObject({ size: 400 });
  });
});
