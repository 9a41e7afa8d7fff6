/** The control key of one channel session: bound to the session's life, leased to the gateway that carries it. */
import type { KeyId, TenantId } from './key.ts';

export interface LiveSessionKey {
  readonly kind: 'live';
  /** 16 bytes. */
  readonly sessionId: Uint8Array;
  readonly tenant: TenantId;
  /** The domain key version that wraps it. */
  readonly parent: KeyId;
  readonly wrapped: Uint8Array;
  readonly createdAt: number;
  /** The gateway may rely on the key until then. */
  readonly leaseNotAfter: number;
  /** End of the binding: no lease goes beyond. */
  readonly notAfter: number;
}

/** What stays of it: enough to refuse its session id, nothing that opens anything. */
export interface DestroyedSessionKey {
  readonly kind: 'destroyed';
  readonly sessionId: Uint8Array;
  readonly destroyedAt: number;
  /** Until then a binding for this session may still be around. */
  readonly notAfter: number;
}

export type SessionKey = LiveSessionKey | DestroyedSessionKey;

/** What a verified binding says, as far as keys are concerned. */
export interface SessionClaims {
  readonly sessionId: Uint8Array;
  readonly tenant: TenantId;
  readonly trustDomain: string;
  /** Milliseconds since the epoch, both included. */
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface Lease {
  readonly sessionId: Uint8Array;
  readonly notAfter: number;
}

/** When a lease given or renewed at `now` ends: never after the binding does. */
export function leaseEnd(now: number, leaseMs: number, bindingNotAfter: number): number {
  return Math.min(now + leaseMs, bindingNotAfter);
}

/** A lease can be renewed while it lasts: one that ran out has ended the session's key. */
export function isRenewable(key: SessionKey, now: number): key is LiveSessionKey {
  return key.kind === 'live' && now <= key.leaseNotAfter;
}
