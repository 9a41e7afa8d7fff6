/**
 * The bound that signing each message alone would set: one Ed25519 verification, one signature and two AES-256-GCM
 * operations on 256 bytes, with `KeyObject`s, in this process (DESIGN.md section 13).
 */
import { createCipheriv, createSecretKey, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';

const ROUNDS = 5;
const ITERATIONS = 2_000;
const WARM_UP = 500;

/** Pairs per second: median of five rounds, and the rounds themselves. */
export function measureSignatureBound(): { perSecond: number; samples: number[] } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const message = randomBytes(256);
  const signature = sign(null, message, privateKey);
  const key = createSecretKey(randomBytes(32));
  const seal = (): void => {
    const cipher = createCipheriv('aes-256-gcm', key, randomBytes(12), { authTagLength: 16 });
    cipher.update(message);
    cipher.final();
    cipher.getAuthTag();
  };
  const pair = (): void => {
    if (!verify(null, message, publicKey, signature)) throw new Error('a good signature did not verify');
    sign(null, message, privateKey);
    seal();
    seal();
  };
  for (let index = 0; index < WARM_UP; index += 1) pair();
  const samples: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const startedAt = performance.now();
    for (let index = 0; index < ITERATIONS; index += 1) pair();
    samples.push((ITERATIONS * 1000) / (performance.now() - startedAt));
  }
  return { perSecond: median(samples), samples };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** The value that a share `q` of the sorted values does not exceed. */
export function quantile(sorted: Float64Array, q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}
