/** What a gateway brings to a handshake, what it gets from it, and what it accepts a client with. */
import type { KeyObject } from 'node:crypto';
import type { RandomSource } from '@sallyport/crypto';
import type { SessionLease, SessionLimits, SignedBinding } from './accept.ts';
import type { Failure, HandshakeCause } from './causes.ts';
import type { Method } from './constants.ts';
import type { GatewayIdentity } from './gateway-identity.ts';
import type { RawHandshake } from './raw-handshake.ts';
import type { SuitePolicy } from './suite.ts';

export interface ServerHandshakeOptions {
  readonly identity: GatewayIdentity;
  /** Gateway time, milliseconds since the Unix epoch. */
  readonly clock: () => number;
  readonly suites?: SuitePolicy;
  /** The carrier's TLS exporter (32 bytes, `EXPORTER_LABEL`), where it has one. */
  readonly exporter?: Uint8Array | undefined;
  /** Refuse clients that cannot bind to the carrier; never falls back. */
  readonly isChannelBindingRequired?: boolean;
  /** Has auth-service compute mac_s. Without it PSK mode is refused. A rejection of the promise passes through. */
  readonly pskServerProof?: (request: RawHandshake) => Promise<Uint8Array>;
  readonly random?: RandomSource;
}

/** A refusal before authentication: `cause` is for the audit log, `alert` is the frame to send. */
export interface ServerFailure extends Failure<HandshakeCause> {
  readonly alert: Uint8Array;
}

/** What the client proved to the gateway; auth-service judges the credential. */
export interface AuthenticationRequest {
  readonly ok: true;
  readonly sid: Uint8Array;
  readonly method: Method;
  /** For auth-service. */
  readonly raw: RawHandshake;
}

export interface AcceptInput {
  /** From auth-service. */
  readonly binding: SignedBinding;
  /** The session key of key-service; the channel key SK is derived from it here. */
  readonly sessionKey: KeyObject;
  readonly lease: SessionLease;
  readonly limits?: SessionLimits;
  /** PX from auth-service: 32 bytes in PSK mode, absent (or empty) otherwise. */
  readonly pskExport?: Uint8Array | undefined;
}
