/**
 * Data keys of key-service for sealing here: one for each process and hour, wrapped so that every replica can have it
 * opened and keep it. So sealing costs no call, and opening what others sealed one call for each of their keys.
 */
import type { KeyObject } from 'node:crypto';
import { AES_256_GCM, secretKey, toHex } from '@sallyport/crypto';
import type { keyv1 } from '@sallyport/proto';
import { SallyportError } from '@sallyport/service/errors';
import type { ServiceCalls } from '@sallyport/service/grpc';

export type SealingKey = { readonly wrapped: Uint8Array; readonly key: KeyObject };

export type DataKeys = {
  /** To seal one thing with, under a random nonce. Rejects when there is no key to be had. */
  sealing(): Promise<SealingKey>;
  /** As `opening` says, or will: without a call, where it was asked for before. */
  known(wrapped: Uint8Array): Promise<KeyObject | undefined> | undefined;
  /** Undefined for what key-service did not wrap, or whose key is gone. Rejects when key-service is away. */
  opening(wrapped: Uint8Array): Promise<KeyObject | undefined>;
};

export type DataKeyUse = {
  /** Domain key of key-service that is the gateway's own. */
  readonly name: string;
  readonly aad: Uint8Array;
  /** After this the next key is asked for, in the background. Default: an hour. */
  readonly freshMs?: number;
  /** After this the key seals nothing more. Default: an hour. */
  readonly lifeMs?: number;
  /** Far below what random nonces allow under one key (NIST SP 800-38D section 8.3: 2^32). Default 2^20. */
  readonly maxSeals?: number;
};

const HOUR_MS = 3_600_000;
/** How often a key that could not be had ahead of its time is asked for again. */
const AHEAD_EVERY_MS = 5_000;
/** Keys of other gateways that stay open here. */
const MAX_OPENED = 256;

type Held = SealingKey & { readonly freshUntilMs: number; readonly notAfterMs: number; seals: number };

export function dataKeys(
  keys: Pick<ServiceCalls<typeof keyv1.KeyService>, 'generateDataKey' | 'decrypt'>,
  use: DataKeyUse,
  monotonicMs: () => number,
): DataKeys {
  const { name, aad, freshMs = HOUR_MS, lifeMs = HOUR_MS, maxSeals = 2 ** 20 } = use;
  let current: Promise<Held> | undefined;
  let nextAheadMs = 0;
  const opened = new Map<string, Promise<KeyObject | undefined>>();

  async function generate(): Promise<Held> {
    const answer = await keys.generateDataKey({ key: name, aad });
    const { wrapped } = answer;
    if (wrapped.length > 0xffff) throw new RangeError('a wrapped data key has at most 65,535 bytes');
    const key = keyOf(answer.plaintext);
    keep(toHex(wrapped), Promise.resolve(key));
    const nowMs = monotonicMs();
    return { wrapped, key, freshUntilMs: nowMs + freshMs, notAfterMs: nowMs + lifeMs, seals: 0 };
  }

  /** One call for all who wait; who failed asks anew. */
  async function sealing(): Promise<Held> {
    const known = await (current ??= generate().catch((error: unknown) => {
      current = undefined;
      throw error;
    }));
    const nowMs = monotonicMs();
    if (nowMs < known.notAfterMs && known.seals < maxSeals) {
      known.seals += 1;
      if (nowMs >= known.freshUntilMs && nowMs >= nextAheadMs) askAhead(nowMs);
      return known;
    }
    current = undefined;
    return sealing();
  }

  /** The old key goes on while the new one cannot be had. */
  function askAhead(nowMs: number): void {
    nextAheadMs = nowMs + AHEAD_EVERY_MS;
    const asked = generate();
    asked.then(
      () => (current = asked),
      () => undefined,
    );
  }

  function keep(hex: string, key: Promise<KeyObject | undefined>): void {
    opened.set(hex, key);
    for (const oldest of opened.keys()) {
      if (opened.size <= MAX_OPENED) break;
      opened.delete(oldest);
    }
  }

  async function unwrap(wrapped: Uint8Array): Promise<KeyObject | undefined> {
    try {
      const { plaintexts } = await keys.decrypt({ key: name, items: [{ ciphertext: wrapped, aad }] });
      return keyOf(plaintexts[0] ?? new Uint8Array());
    } catch (error) {
      if (error instanceof SallyportError && NOT_OURS.has(error.reason)) return undefined;
      throw error;
    }
  }

  /** Whoever asks meanwhile hears the same; only keys are kept. */
  function ask(hex: string, wrapped: Uint8Array): Promise<KeyObject | undefined> {
    const asked = unwrap(wrapped);
    const forget = (): boolean => opened.delete(hex);
    asked.then((key) => key ?? forget(), forget);
    keep(hex, asked);
    return asked;
  }

  return {
    sealing,
    known: (wrapped) => opened.get(toHex(wrapped)),
    opening(wrapped) {
      const hex = toHex(wrapped);
      return opened.get(hex) ?? ask(hex, wrapped);
    },
  };
}

/** What key-service says of bytes that it did not wrap, or whose key is gone. */
const NOT_OURS: ReadonlySet<string> = new Set(['decryption_failed', 'key_unusable', 'invalid_argument']);

/** Keeps nothing of `raw`. */
function keyOf(raw: Uint8Array): KeyObject {
  if (raw.length !== AES_256_GCM.keyLength) throw new RangeError('a data key has 32 bytes');
  const key = secretKey(raw);
  raw.fill(0);
  return key;
}
