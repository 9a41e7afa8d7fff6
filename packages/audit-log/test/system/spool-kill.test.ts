import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromUtf8 } from '@sallyport/crypto';
import { expect, it } from 'vitest';
import { openSpool } from '../../src/index.ts';

const KILLS = 24;
const child = fileURLToPath(new URL('append-load.ts', import.meta.url));

it(`${KILLS} SIGKILLs at random points of a load: every promised append is there exactly once`, async () => {
  const seed = Number(process.env['SPOOL_KILL_SEED'] ?? Date.now() % 1_000_000);
  console.log(`spool-kill seed ${seed} (SPOOL_KILL_SEED repeats it)`);
  const random = generator(seed);
  const root = await mkdtemp(join(tmpdir(), 'spool-kill-'));
  const promised = new Map<string, string>();
  let letGo = 0n;
  let restarts = 0;
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      const lines = await runAndKill(
        join(root, 'spool'),
        kill,
        join(root, 'notes'),
        Math.floor(random() * 60),
      );
      for (const line of lines) {
        const [word = '', seq = '', text = ''] = line.split(' ');
        if (word === 'acknowledged') letGo = BigInt(seq) > letGo ? BigInt(seq) : letGo;
        if (word !== 'appended') continue;
        expect(promised.get(seq), `sequence ${seq} given out twice`).toBeUndefined();
        promised.set(seq, text);
      }
      const found = await contents(join(root, 'spool'), letGo);
      for (const [seq, text] of promised) {
        if (BigInt(seq) <= letGo) continue;
        expect(found.bySeq.get(BigInt(seq)), `seed ${seed}, kill ${kill}, sequence ${seq}`).toBe(text);
        expect(found.count.get(text), `seed ${seed}, kill ${kill}, ${text}`).toBe(1);
      }
      restarts += 1;
    }
    expect(restarts).toBe(KILLS);
    expect(promised.size).toBeGreaterThan(KILLS * 10);
  } finally {
    await rm(root, { recursive: true });
  }
}, 120_000);

async function contents(directory: string, letGo: bigint) {
  const spool = await openSpool({ directory, producer: 'load', segmentBytes: 20_000 });
  expect(spool.floor).toBeLessThanOrEqual(letGo + 1n);
  const bySeq = new Map<bigint, string>();
  const count = new Map<string, number>();
  for (let from = spool.floor; from <= spool.head;) {
    const { firstSeq, bodies } = await spool.read(from, 10_000);
    expect(firstSeq).toBe(from);
    for (const body of bodies) {
      const text = fromUtf8(body) ?? '';
      bySeq.set(from++, text);
      count.set(text, (count.get(text) ?? 0) + 1);
    }
  }
  await spool.close();
  return { bySeq, count };
}

/** Whole lines that the child noted before it was killed, `afterMs` after its load began. */
async function runAndKill(directory: string, run: number, notes: string, afterMs: number): Promise<string[]> {
  const producer = spawn(process.execPath, [child, directory, String(run), notes], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let complaint = '';
  producer.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
  let armed = false;
  producer.stdout.once('data', () => {
    armed = true;
    setTimeout(() => producer.kill('SIGKILL'), afterMs);
  });
  const tooLong = setTimeout(() => producer.kill('SIGKILL'), 20_000);
  const [code, signal] = (await once(producer, 'close')) as [number | null, NodeJS.Signals | null];
  clearTimeout(tooLong);
  if (signal !== 'SIGKILL' || !armed)
    throw new Error(`the load ended by itself (${String(code)}): ${complaint}`);
  const said = await readFile(notes, 'utf8');
  return said.slice(0, said.lastIndexOf('\n') + 1).split('\n');
}

/** mulberry32: small, seeded, good enough to pick moments. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
