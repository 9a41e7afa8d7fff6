/** A log that goes on while it is verified: new leaves, a new checkpoint, and the partial tiles of the old one dropped. */
import { describe, expect, it } from 'vitest';
import { GATEWAY, leafOf, decisionEvent, signer, verifierKey } from '../../test/support/sample-log.ts';
import type { SampleLeaf } from '../../test/support/sample-log.ts';
import { openLog } from '../log/builder.ts';
import { entryOf } from '../log/entry.ts';
import { claimedSize, readTileAt } from '../log/narrower-tile.ts';
import { signCheckpoint } from '../log/sign.ts';
import { memoryTileStore } from '../log/stores.ts';
import type { TileStore } from '../log/types.ts';
import type { LogSource } from './types.ts';
import { verifyLog } from './verify-log.ts';

const made: SampleLeaf[] = [];
const sampleLeaf = (i: number): SampleLeaf =>
  (made[i] ??= leafOf(i, GATEWAY, BigInt(i + 1), decisionEvent(i, 1)));

class LiveLog {
  readonly store: TileStore = memoryTileStore();
  readonly #log = openLog(this.store, 0);
  readonly #leaves: SampleLeaf[] = [];

  async grow(by: number): Promise<void> {
    const log = await this.#log;
    const from = this.#leaves.length;
    for (let i = from; i < from + by; i++) this.#leaves.push(sampleLeaf(i));
    await log.append(this.#leaves.slice(from).map(entryOf));
    await signCheckpoint({ store: this.store, log, signer });
    await log.prune();
  }

  /** As a folder is read, and as audit-service serves it; `before` runs before every step of the reader. */
  source(kind: 'folder' | 'service', before: (step: string) => Promise<void>): LogSource {
    const { store } = this;
    const leaves = this.#leaves;
    const read = (path: string) => store.read(path);
    const tile = async (path: string): Promise<Uint8Array | undefined> => {
      await before(path);
      if (kind === 'folder') return read(path);
      const readWhileItGrows = async (each: string) => {
        await before(each);
        return read(each);
      };
      return readTileAt(readWhileItGrows, path, async () => claimedSize(await read('checkpoint')));
    };
    return {
      tile,
      async checkpoint() {
        await before('checkpoint');
        return read('checkpoint');
      },
      async *leaves(from) {
        for (let i = from; i < leaves.length; i++) {
          const leaf = leaves[i];
          if (leaf !== undefined) yield leaf;
        }
      },
    };
  }
}

/** Of a few leaves, near the end of a tile, near the end of the second, and with a partial tile on a level above. */
const sizes = [3, 254, 510, 600];

describe.each(['folder', 'service'] as const)('a log that grows, read from a %s', (kind) => {
  it.each(sizes)('from %i leaves on, before three of five reads, verifies', async (size) => {
    const log = new LiveLog();
    await log.grow(size);
    let step = 0;
    const source = log.source(kind, async () => {
      if (step++ % 5 < 3) await log.grow(1); // five: not in step with the reader's rounds of two and three
    });
    const report = await verifyLog(source, { verifierKey });
    expect(report).toMatchObject({ ok: true, findings: [] });
    expect(report.leaves).toBe(report.checkpoint?.size);
  });

  // One jump, at each of the reader's steps in turn: no interleaving of a single checkpoint is left out.
  it.each(sizes)('from %i leaves on, once, at whichever step, verifies', async (size) => {
    let steps = Infinity;
    for (let at = 0; at < steps; at++) {
      const log = new LiveLog();
      await log.grow(size);
      let step = 0;
      const report = await verifyLog(
        log.source(kind, async () => {
          if (step++ === at) await log.grow(1 + (at % 3) * 20);
        }),
        { verifierKey },
      );
      expect(report.findings, `at step ${at}`).toEqual([]);
      steps = step;
    }
    expect(steps).toBeGreaterThan(3);
  });

  it('a tile that is gone without a wider one is still named', async () => {
    const log = new LiveLog();
    await log.grow(300);
    const source = log.source(kind, async (step) => {
      if (step.includes('entries/001')) await log.store.remove('tile/entries/001.p/44');
    });
    const { findings } = await verifyLog(source, { verifierKey });
    expect(findings).toEqual([
      expect.objectContaining({ kind: 'entry_bundle', tile: 'tile/entries/001.p/44' }) as unknown,
    ]);
  });

  it.each(['entries/001.p/64', '0/001.p/64'])('a wider %s that was changed is named', async (name) => {
    const log = new LiveLog();
    await log.grow(300);
    let hasGrown = false;
    const source = log.source(kind, async (step) => {
      if (step === 'checkpoint' || hasGrown) return;
      hasGrown = true;
      await log.grow(20);
      const bytes = await log.store.read(`tile/${name}`);
      if (bytes === undefined) throw new Error('no wider tile');
      bytes[40] = (bytes[40] ?? 0) ^ 1;
      await log.store.replace(`tile/${name}`, bytes);
    });
    const { findings, leaves } = await verifyLog(source, { verifierKey });
    expect(leaves).toBe(300);
    expect(findings.map(({ kind: of }) => of)).toEqual([name.startsWith('0') ? 'hash_tile' : 'entry_bundle']);
  });
});
