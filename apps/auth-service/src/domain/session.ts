/** A session as auth-service knows it: who was authenticated, how, until when, and how it ended. */

/** How the principal proved itself; `oauth`: by signing in at the authorization server. */
export type Method = 'certificate' | 'psk' | 'oauth';
/** What a session carries: a secure channel, or access tokens (docs/adr/0080). */
export type SessionKind = 'channel' | 'token';
export type Ending = 'closed' | 'revoked' | 'expired';

export interface Session {
  /** 16 bytes. */
  readonly sessionId: Uint8Array;
  readonly tenant: string;
  /** `user:alice`. */
  readonly principal: string;
  readonly method: Method;
  readonly kind: SessionKind;
  /** SPIFFE id of the gateway that carries it, or asked for its token; empty for a sign-in. */
  readonly gateway: string;
  /** Where the carrier came from, as the gateway saw it; an address or `unknown`. */
  readonly sourceAddress: string;
  /** Milliseconds since the epoch, as all times here. */
  readonly openedAt: number;
  readonly notAfter: number;
  /** 32 bytes: the credential it stands on, so that revoking that ends this. */
  readonly credentialDigest: Uint8Array;
  readonly ended: Ended | undefined;
  /** Of a token's session: the OAuth client it was given to; else empty. */
  readonly clientId: string;
  /** Of a token's session: the channel session that asked for it. Revoking that one revokes this. */
  readonly parentSessionId: Uint8Array | undefined;
}

export interface Ended {
  readonly how: Ending;
  readonly at: number;
  readonly cause: string;
}

/** One row of the numbered feed that gateways follow. */
export interface Revocation {
  /** Without gaps, from 1. */
  readonly number: bigint;
  readonly sessionId: Uint8Array;
  readonly cause: string;
}

/** The end of a session as seen at `now`: its time may be over before the sweep has come by. */
export function endedAt(
  { ended, notAfter }: Pick<Session, 'ended' | 'notAfter'>,
  now: number,
): Ended | undefined {
  if (ended !== undefined) return ended;
  return notAfter < now ? { how: 'expired', at: notAfter, cause: 'expired' } : undefined;
}
