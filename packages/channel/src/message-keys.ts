/**
 * Keys of single messages (docs/protocol.md section 7.2).
 *
 * The content tag covers header and plaintext, and the AEAD key comes from the tag. So a sender that was rolled back
 * never uses one key and IV for two contents, equal plaintexts never look equal, and a ciphertext opens to one
 * plaintext only (AES-GCM alone does not commit to its key).
 */
import type { KeyObject } from 'node:crypto';
import { concatBytes, hmacSha256, secretKey, utf8 } from '@sallyport/crypto';
import { u64 } from './wire.ts';

const SEEDS_PER_BLOCK = 64;
const KEPT_BLOCKS = 4;
const SEEDS_LABEL = utf8('sallyport1 seeds');
export const SEED_LENGTH = 32;
const TAG_PREFIX = Uint8Array.of(0x01);
const KEY_PREFIX = Uint8Array.of(0x02);

/** The 64 seeds of one block, expanded as far as they were asked for. */
interface Block {
  readonly number: number;
  /** T(i−1) ‖ info ‖ i, of which T and i change: one update instead of three for each seed. */
  readonly input: Uint8Array;
  readonly seeds: Uint8Array[];
}

/**
 * seeds = HKDF-Expand(D, "sallyport1 seeds" ‖ u64(seq >> 6), 2048), of which sequence `seq` has bytes
 * 32·(seq & 63) and on. HKDF-Expand is a chain, so a block is grown only up to the seed in question; a few blocks are
 * kept, because messages come in order but for a window.
 */
export class MessageSeeds {
  readonly #prk: KeyObject;
  readonly #blocks: Block[] = [];

  /** `directionSecret` is D of one direction and epoch. */
  constructor(directionSecret: KeyObject) {
    this.#prk = directionSecret;
  }

  /** The seed's key; `sequence` is a safe integer. */
  keyOf(sequence: number): KeyObject {
    return secretKey(this.rawOf(sequence));
  }

  /** The 32 raw bytes, which open that one message. A view: the caller copies what it keeps. */
  rawOf(sequence: number): Uint8Array {
    const index = sequence % SEEDS_PER_BLOCK;
    const { input, seeds } = this.#block(Math.floor(sequence / SEEDS_PER_BLOCK));
    let seed = seeds[index];
    while (seed === undefined) {
      input[input.length - 1] = seeds.length + 1;
      // RFC 5869 section 2.3: T(i) = HMAC(PRK, T(i−1) ‖ info ‖ i), T(0) empty
      const next = hmacSha256(this.#prk, seeds.length === 0 ? input.subarray(SEED_LENGTH) : input);
      input.set(next);
      seeds.push(next);
      seed = seeds[index];
    }
    return seed;
  }

  #block(number: number): Block {
    const known = this.#blocks.find((block) => block.number === number);
    if (known !== undefined) return known;
    const input = concatBytes(new Uint8Array(SEED_LENGTH), SEEDS_LABEL, u64(number), Uint8Array.of(0));
    const block = { number, input, seeds: [] };
    this.#blocks.unshift(block);
    this.#blocks.length = Math.min(this.#blocks.length, KEPT_BLOCKS);
    return block;
  }
}

/** tag = HMAC(seed, 0x01 ‖ H0 ‖ plaintext). */
export function contentTag(seed: KeyObject, headerStart: Uint8Array, plaintext: Uint8Array): Uint8Array {
  return hmacSha256(seed, TAG_PREFIX, headerStart, plaintext);
}

/** mk = HMAC(seed, 0x02 ‖ tag), cut to the AEAD's key length (at most 32). */
export function messageKey(seed: KeyObject, tag: Uint8Array, keyLength: number): KeyObject {
  const raw = hmacSha256(seed, KEY_PREFIX, tag);
  const key = secretKey(raw.subarray(0, keyLength));
  raw.fill(0);
  return key;
}
