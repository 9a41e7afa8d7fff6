/** Lives of a spool that end anywhere, one after the other, on a disk that also fails: no promised record is ever lost. */
import { fromUtf8, utf8 } from '@sallyport/crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openSpool, type Spool } from '../src/index.ts';
import { LosingDisk } from './support/losing-disk.ts';
import { PRODUCER } from './support/spool-folder.ts';

const LIVES = 4;

test('what was durable is found after any loss of power, in order and under its number', async () => {
  await fc.assert(fc.asyncProperty(fc.integer(), lives), { numRuns: 150 });
}, 60_000);

async function lives(seed: number): Promise<void> {
  const random = generator(seed);
  const below = (end: number): number => Math.floor(random() * end);
  let disk = new LosingDisk(random);
  /** By number; what a start found counts as promised from then on. */
  const promised = new Map<bigint, string>();
  for (let life = 0, count = 0; life < LIVES; life += 1) {
    const spool = await openSpool({
      ...{ directory: '/spool', producer: PRODUCER, fs: disk.fs, segmentBytes: 300_000 },
    });
    for (const [seq, text] of await everythingIn(spool)) {
      expect(promised.get(seq) ?? text).toBe(text);
      promised.set(seq, text);
    }
    for (const seq of promised.keys()) expect(seq).toBeLessThanOrEqual(spool.head);

    disk.stepsLeft = 5 + below(60);
    if (random() < 0.5) disk.failing = 0.08;
    const appending: Promise<void>[] = [];
    for (let group = 0; group < 40 && !disk.isOff; group += 1) {
      const texts = Array.from({ length: 1 + below(6) }, () => {
        count += 1;
        return JSON.stringify({ count, text: 'ÿ'.repeat(random() < 0.2 ? below(40_000) : below(1_000)) });
      });
      const appended = texts.map((text) =>
        spool.append(utf8(text)).then(
          ({ seq }) => void promised.set(seq, text),
          () => undefined,
        ),
      );
      if (random() < 0.5) await Promise.all(appended);
      else appending.push(...appended);
      if (random() < 0.2 && spool.head >= spool.floor)
        await spool
          .acknowledge(spool.floor + BigInt(below(Number(spool.head - spool.floor) + 1)))
          .catch(() => undefined);
    }
    await Promise.all(appending);
    disk = random() < 0.7 ? disk.afterPowerLoss() : disk.afterKill();
  }
}

async function everythingIn(spool: Spool): Promise<Map<bigint, string>> {
  const found = new Map<bigint, string>();
  for (let from = spool.floor; from <= spool.head;) {
    const { firstSeq, bodies } = await spool.read(from, 100_000);
    expect(firstSeq).toBe(from);
    for (const body of bodies) {
      found.set(from, fromUtf8(body) ?? 'not UTF-8');
      from += 1n;
    }
  }
  return found;
}

/** Numerical Recipes' linear congruential generator: in [0, 1), the same for the same seed. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
