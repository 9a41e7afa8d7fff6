/** What happened to sessions and credentials: committed with the change, then told to the audit log. */
import type { Ending, Method } from './session.ts';

/** Who caused it: an authenticated principal or one of our services. */
export type Actor =
  { readonly kind: 'principal'; readonly id: string } | { readonly kind: 'service'; readonly name: string };

/** This service, acting by itself. */
export const SELF: Actor = Object.freeze({ kind: 'service', name: 'auth-service' });

interface Event {
  /** 16 random bytes in hex; the same when the event is told twice. */
  readonly id: string;
  readonly timeMs: number;
  readonly tenant: string;
  readonly actor: Actor;
  readonly principal: string;
}

export interface SessionOpened extends Event {
  readonly kind: 'session_opened';
  /** Hex. */
  readonly sessionId: string;
  readonly method: Method;
  readonly sourceAddress: string;
}

export interface TokenIssued extends Event {
  readonly kind: 'token_issued';
  /** Hex. */
  readonly sessionId: string;
  readonly method: Method;
  /** Its `jti`. */
  readonly tokenId: string;
  readonly clientId: string;
  readonly audience: readonly string[];
  readonly isBound: boolean;
}

export interface PasswordChanged extends Event {
  readonly kind: 'password_set' | 'password_deleted';
}

export interface SessionEnded extends Event {
  readonly kind: 'session_ended';
  readonly sessionId: string;
  readonly method: Method;
  readonly how: Ending;
  readonly cause: string;
}

export interface PskChanged extends Event {
  readonly kind: 'psk_created' | 'psk_revoked';
  /** Hex. */
  readonly pskId: string;
  readonly label: string;
}

export type AuthEvent = SessionOpened | SessionEnded | TokenIssued | PskChanged | PasswordChanged;
