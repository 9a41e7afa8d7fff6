/** What happened to a key: for the audit log and, where versions changed, for the bus. */
import type { KeyIdentity, TenantId } from './key.ts';

/** Who caused it: an authenticated principal (`user:admin`) or a service (`gateway`). */
export type Actor =
  { readonly kind: 'principal'; readonly id: string } | { readonly kind: 'service'; readonly name: string };

/** This service, acting by itself: first start, a bound reached, a lease that ended. */
export const SELF: Actor = Object.freeze({ kind: 'service', name: 'key-service' });

export type KeySubject =
  | ({ readonly type: 'key' } & KeyIdentity)
  | { readonly type: 'session-key'; readonly tenant: TenantId; readonly sessionId: string }
  | {
      readonly type: 'data-key';
      readonly tenant: TenantId;
      readonly name: string;
      readonly dataKeyId: string;
    };

/** Why: a caller asked, a key was missing, a version was replaced, its use limit was reached, a lease ran out. */
export type KeyEventCause = 'requested' | 'first_use' | 'rotation' | 'use_limit' | 'lease_ended';

export interface KeyEvent {
  /** 16 random bytes in hex; the same when the event is told twice. */
  readonly id: string;
  readonly timeMs: number;
  readonly actor: Actor;
  readonly change: 'created' | 'deactivated' | 'destroyed';
  readonly cause: KeyEventCause;
  readonly subject: KeySubject;
  /** In the feed of changed versions, from 1 without gaps; the store numbers in the transaction of the change. */
  readonly number?: bigint;
}

/** Whether consumers of keys hear of it: what became of a version, not of one session or one piece of data. */
export function isFeedEvent({ subject }: KeyEvent): boolean {
  return subject.type === 'key';
}
