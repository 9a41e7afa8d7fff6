/** What the use cases ask of the world. Adapters live in `store/` and `clients/`. */
import type { KeyObject } from 'node:crypto';
import type { Outbox as EventOutbox } from '@sallyport/service/lifecycle';
import type { AuthEvent } from '../domain/events.ts';
import type { ChainCause, HandshakeCause } from '../domain/handshake-cause.ts';
import type { PagePosition } from '../domain/page-token.ts';
import type { Psk } from '../domain/psk.ts';
import type { Ended, Revocation, Session } from '../domain/session.ts';

export interface SessionQuery {
  readonly principal: string | undefined;
  readonly includeEnded: boolean;
  /** Sessions whose time is over by then count as ended. */
  readonly now: number;
  /** The list goes on behind this one. */
  readonly after: PagePosition | undefined;
  readonly limit: number;
}

export interface SessionReader {
  find(sessionId: Uint8Array): Promise<Session | undefined>;
  /** By time, newest first, then by id. */
  list(query: SessionQuery): Promise<readonly Session[]>;
}

/** Makes the event of one session that ended. */
export type SessionEvent = (session: Session) => AuthEvent;

export interface SessionWriter {
  /**
   * In one transaction: the session, its event, and a look at the pre-shared key it stands on. `session_reused` when its
   * id was ever used; `psk_revoked` when that key is revoked or gone. Nothing is stored then.
   */
  open(
    session: Session,
    event: AuthEvent,
    pskId: Uint8Array | undefined,
  ): Promise<'opened' | 'session_reused' | 'psk_revoked'>;
  /** Ends one of a channel that is open, with its event; `ended` and nothing stored when it was over. */
  end(sessionId: Uint8Array, ended: Ended, event: SessionEvent): Promise<'done' | 'ended' | 'unknown'>;
  /** Ends up to `limit` open ones whose time was over before `now`. Resolves to how many. */
  expire(now: number, limit: number, event: SessionEvent): Promise<number>;
  /** Forgets sessions that ended before `endedBefore`. */
  forget(endedBefore: number): Promise<void>;
}

export interface TokenSessionStore {
  /**
   * In one transaction: the session of a token, its events, and a look at the session that asked for it. `parent_over` when
   * that one ended or its time is over: a revocation either ends this one too or is seen here. `full` when the principal has
   * `maxRecent` that are open or were opened after `recentSince`. Nothing is stored then.
   */
  open(
    session: Session,
    events: readonly AuthEvent[],
    limit: { readonly recentSince: number; readonly maxRecent: number },
  ): Promise<'opened' | 'session_reused' | 'parent_over' | 'full'>;
  /** Stores the event if the session is a token's and open at `now`: a revocation comes before or after, never between. */
  note(sessionId: Uint8Array, now: number, event: AuthEvent): Promise<boolean>;
}

/** What a user signs in with, as it is kept: sealed by key-service, bound to the user. */
export interface StoredPassword {
  readonly principal: string;
  readonly sealed: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly setAt: number;
}

/** What ends with a password: the sessions that stand on it. */
export interface PasswordEnding {
  readonly credentialDigest: Uint8Array;
  readonly ended: Ended;
  readonly event: AuthEvent;
  readonly sessionEvent: SessionEvent;
}

export interface PasswordStore {
  find(principal: string): Promise<StoredPassword | undefined>;
  /** In one transaction: takes the place of the one before, and revokes what stood on that. Resolves to the ids. */
  set(password: StoredPassword, ending: PasswordEnding): Promise<readonly Uint8Array[]>;
  /** Undefined when there is none. */
  remove(principal: string, ending: PasswordEnding): Promise<readonly Uint8Array[] | undefined>;
}

export type RevocationTarget =
  | { readonly kind: 'session'; readonly sessionId: Uint8Array }
  | { readonly kind: 'principal'; readonly principal: string };

/** What a committed revocation owes until it is paid. */
export type OwedStep = 'announced' | 'key_destroyed';

export interface RevocationStore {
  /**
   * In one transaction: ends what is open of the target, with a numbered row and an event for each. `undefined` when the
   * target is a session that nobody knows.
   */
  revoke(
    target: RevocationTarget,
    ended: Ended,
    event: SessionEvent,
  ): Promise<readonly Uint8Array[] | undefined>;
  /** Numbers above `after`, in order: when a number is visible, all before it are. `last`: the newest of the feed. */
  since(
    after: bigint,
    limit: number,
  ): Promise<{ readonly revocations: readonly Revocation[]; readonly last: bigint }>;
  /** The newest number of the feed; 0 = none yet. */
  last(): Promise<bigint>;
  /** Those that still owe `step`, oldest first. */
  owed(step: OwedStep, limit: number): Promise<readonly Revocation[]>;
  pay(numbers: readonly bigint[], step: OwedStep): Promise<void>;
  /** Forgets rows made before `madeBefore` that owe nothing. */
  forget(madeBefore: number): Promise<void>;
}

export interface PskStore {
  find(pskId: Uint8Array): Promise<Psk | undefined>;
  /** Newest first. */
  list(principal: string | undefined, limit: number): Promise<readonly Psk[]>;
  /** With its event; `full` and nothing stored when the principal has `maxLive` usable ones. */
  insert(psk: Psk, event: AuthEvent, maxLive: number): Promise<'inserted' | 'full'>;
  /**
   * In one transaction: revokes the key and, as `RevocationStore.revoke` does, every open session that stands on
   * `credentialDigest`. `revoked_before` changes nothing.
   */
  revoke(input: {
    readonly pskId: Uint8Array;
    readonly credentialDigest: Uint8Array;
    readonly ended: Ended;
    readonly pskEvent: (psk: Psk) => AuthEvent;
    readonly sessionEvent: SessionEvent;
  }): Promise<'revoked' | 'revoked_before' | 'unknown'>;
}

/** The decoy secret, sealed. */
export interface DecoyStore {
  find(): Promise<Uint8Array | undefined>;
  /** Keeps it unless there is one. Resolves to the one that is kept. */
  insert(sealed: Uint8Array): Promise<Uint8Array>;
}

/** Events that are committed and not yet told. */
export type Outbox = EventOutbox<AuthEvent>;

/** Resolves when the event is durable in the audit spool. The same event may be told twice. */
export type RecordEvent = (event: AuthEvent) => Promise<void>;

/** Rejects while nothing can be recorded: nothing new is begun then. */
export type CheckRecorder = () => Promise<void>;

/** Attempts that failed alike in an interval. */
export interface FailureCount<Cause extends string = HandshakeCause> {
  /** An address or network, `unknown`, or `other`. Never a claimed name. */
  readonly source: string;
  readonly cause: Cause;
  readonly count: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Resolves when the count is durable in the audit spool. */
export type RecordFailures<Cause extends string = HandshakeCause> = (
  count: FailureCount<Cause>,
) => Promise<void>;

/** Tells gateways at once. Never durable: they also ask. Rejects when the broker did not take it. */
export type AnnounceRevocation = (revocation: Revocation) => Promise<void>;

/** key-service, as far as it is used. All reject with `SallyportError` `unavailable` when it is away. */
export interface Keys {
  encrypt(plaintext: Uint8Array, aad: Uint8Array): Promise<Uint8Array>;
  /** The caller wipes what it gets. */
  decrypt(ciphertext: Uint8Array, aad: Uint8Array): Promise<Uint8Array>;
  /** Signs with the active key for session bindings. */
  signBinding(message: Uint8Array): Promise<{ readonly keyId: string; readonly signature: Uint8Array }>;
  destroySessionKeys(sessionIds: readonly Uint8Array[]): Promise<void>;
}

/** The two algorithms of access tokens, as RFC 7518 and RFC 8037 name them. */
export type TokenAlgorithm = 'EdDSA' | 'ES256';

/** A key that may still verify tokens. */
export interface TokenKey {
  readonly keyId: string;
  readonly algorithm: TokenAlgorithm;
  readonly publicKey: KeyObject;
  readonly isActive: boolean;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** key-service's keys for access tokens. Both reject with `unavailable` when it is away. */
export interface TokenKeys {
  /** 64 bytes, as a JWS has them, by the active key of that algorithm. */
  sign(
    algorithm: TokenAlgorithm,
    message: Uint8Array,
  ): Promise<{ readonly keyId: string; readonly signature: Uint8Array }>;
  /** The newest first. */
  list(): Promise<readonly TokenKey[]>;
}

/** key-service's seal on passwords. Both reject with `unavailable` when it is away. */
export type PasswordSeal = Pick<Keys, 'encrypt' | 'decrypt'>;

export interface VerifiedChain {
  readonly ok: true;
  readonly publicKey: KeyObject;
  /** Undefined where a rule of another trust domain said who it is. */
  readonly spiffeId: string | undefined;
  /** `user:alice` for a principal, undefined for a service. */
  readonly principal: string | undefined;
  /** The earliest end of any certificate on the path. */
  readonly notAfterMs: number;
}

/**
 * Validates a chain (DER, leaf first) against the anchors, for a use, at a time. Others may be asked about revocation before
 * it resolves: `proofProblem`, where given, is asked first, so that who merely has a copy of a certificate causes nothing.
 * Rejects with `unavailable` when too many wait for such answers, and with nothing that the chain itself could cause.
 */
export type VerifyChain = <Cause extends string = never>(
  chainDer: readonly Uint8Array[],
  use: 'client' | 'gateway',
  atMs: number,
  proofProblem?: (publicKey: KeyObject) => Cause | undefined,
) => Promise<VerifiedChain | { readonly ok: false; readonly cause: ChainCause | Cause }>;

/** Milliseconds since the epoch, whole. */
export type Now = () => number;

/** `length` unpredictable bytes in memory of their own. */
export type Random = (length: number) => Uint8Array;

export interface PasswordToHash {
  readonly password: Uint8Array;
  readonly salt: Uint8Array;
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
  /** Bytes of the answer. */
  readonly length: number;
}

/** Argon2id (RFC 9106). Rejects with `busy` when too many wait. */
export type HashPassword = (wanted: PasswordToHash) => Promise<Uint8Array>;
