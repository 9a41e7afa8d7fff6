/** What the use cases ask of the world. Adapters live in `store/`, `root/` and `clients/`. */
import type { KeyObject } from 'node:crypto';
import type { Outbox as EventOutbox } from '@sallyport/service/lifecycle';
import type { DataKey } from '../domain/data-key.ts';
import type { KeyEvent } from '../domain/key-event.ts';
import type { KeyId, KeyRef, KeyVersion, TenantId } from '../domain/key.ts';
import type { Lease, LiveSessionKey, SessionClaims, SessionKey } from '../domain/session-key.ts';

/** The key above all keys. Never leaves its provider. */
export interface RootKey {
  wrap(plaintext: Uint8Array, context: Uint8Array): Promise<Uint8Array>;
  /** `undefined` when it does not open, for whatever reason. */
  unwrap(wrapped: Uint8Array, context: Uint8Array): Promise<Uint8Array | undefined>;
}

export interface KeyReader {
  active(ref: KeyRef): Promise<KeyVersion | undefined>;
  version(ref: KeyRef, version: number): Promise<KeyVersion | undefined>;
  byId(keyId: KeyId): Promise<KeyVersion | undefined>;
  /** All versions of all keys, by tenant, kind, name and version. */
  list(): Promise<readonly KeyVersion[]>;
  /** The newest number of the feed of changed versions; 0 = none yet. */
  lastNumber(): Promise<bigint>;
}

export interface KeyWriter {
  /**
   * In one transaction: stores `next` as the active version, deactivates `replaces` at the time `next` was created, and
   * puts `events` into the outbox, those of the feed numbered. `lost` when another call got there first: nothing changed then.
   */
  activate(
    next: KeyVersion,
    replaces: KeyVersion | undefined,
    events: readonly KeyEvent[],
  ): Promise<'activated' | 'lost'>;
  /** Sets `count` more uses of an active version aside, on disk when this resolves, unless that exceeds `limit` in all. */
  reserveUses(keyId: KeyId, count: bigint, limit: bigint): Promise<'reserved' | 'exhausted' | 'inactive'>;
  /** Gives back what was reserved and will not be used. */
  returnUses(keyId: KeyId, count: bigint): Promise<void>;
}

/** Makes the event of one destroyed session key. */
export type SessionKeyEvent = (sessionId: Uint8Array, tenant: TenantId) => KeyEvent;

export interface SessionKeyStore {
  find(sessionId: Uint8Array): Promise<SessionKey | undefined>;
  /** Stores key and event in one transaction; false, and nothing stored, when the session id was seen before. */
  insert(key: LiveSessionKey, event: KeyEvent): Promise<boolean>;
  /** Renews what `isRenewable` at `now`, each up to `leaseEnd`; the others are left out of the answer. */
  renew(sessionIds: readonly Uint8Array[], now: number, leaseMs: number): Promise<readonly Lease[]>;
  /**
   * In one transaction: erases the wrapped bytes of live ones and puts an event for each into the outbox; an unknown id
   * is kept as destroyed until `tombstoneNotAfter`, when there is one. Resolves to how many were live.
   */
  destroy(
    sessionIds: readonly Uint8Array[],
    now: number,
    tombstoneNotAfter: number | undefined,
    event: SessionKeyEvent,
  ): Promise<number>;
  /** As `destroy`, for up to `limit` live ones whose lease ended before `now`. */
  expire(now: number, limit: number, event: SessionKeyEvent): Promise<number>;
  /** Forgets destroyed ones whose binding ended before `notAfter`. */
  forget(notAfter: number): Promise<void>;
}

export interface DataKeyStore {
  find(dataKeyId: string): Promise<DataKey | undefined>;
  /** Stores key and event in one transaction. */
  insert(key: DataKey, event: KeyEvent): Promise<void>;
  /** Erases the wrapped bytes and stores the event in one transaction; false when it was not there to destroy. */
  destroy(dataKeyId: string, now: number, event: KeyEvent): Promise<boolean>;
}

/** Events that are committed and not yet told. */
export type Outbox = EventOutbox<KeyEvent>;

/** Resolves when the event is durable in the audit spool. The same event may be told twice. */
export type RecordEvent = (event: KeyEvent) => Promise<void>;

/** Rejects while nothing can be recorded: nothing new is begun then. */
export type CheckRecorder = () => Promise<void>;

/** Tells consumers of keys. Never durable: they also poll. */
export type AnnounceKey = (event: KeyEvent) => Promise<void>;

/** What a binding says, or undefined when it is malformed or the signature is not by `publicKey`. Never throws. */
export type VerifyBinding = (
  binding: Uint8Array,
  signature: Uint8Array,
  publicKey: KeyObject,
) => SessionClaims | undefined;

/** Milliseconds since the epoch. */
export type Now = () => number;

/** `length` unpredictable bytes in memory of their own. */
export type Random = (length: number) => Uint8Array;
