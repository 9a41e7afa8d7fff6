/** What a client brings to a handshake: its credential, whom it trusts, and its clock. */
import type { KeyObject } from 'node:crypto';
import type { RandomSource, SignatureKeyPair } from '@sallyport/crypto';
import type { SuitePolicy } from './suite.ts';

export type ClientCredential =
  | {
      readonly method: 'certificate';
      /** DER, leaf first. */
      readonly chainDer: readonly Uint8Array[];
      /** Signs with the leaf's key, wherever that lives; called once, after the gateway has proved itself. */
      readonly sign: (message: Uint8Array) => Uint8Array | Promise<Uint8Array>;
    }
  | {
      readonly method: 'psk';
      readonly pskId: Uint8Array;
      /** From `derivePskKey`. */
      readonly pskKey: KeyObject;
    };

/** What the caller's chain verifier found: the leaf's key and its one SPIFFE name. */
export interface VerifiedGateway {
  readonly publicKey: KeyObject;
  readonly spiffeId: string;
}

export interface ClientHandshakeOptions {
  readonly credential: ClientCredential;
  readonly trustDomain: string;
  /** The exact SPIFFE id that the gateway must have. */
  readonly expectedGateway: string;
  /** Validates a chain at a time (local clock, ms); undefined = not trusted. A throw counts as undefined. */
  readonly verifyGatewayChain: (
    chainDer: readonly Uint8Array[],
    atMs: number,
  ) => VerifiedGateway | undefined | Promise<VerifiedGateway | undefined>;
  /** Local time, milliseconds since the Unix epoch, without jumps. */
  readonly clock: () => number;
  readonly suites?: SuitePolicy;
  /** The carrier's TLS exporter, where it can be had. */
  readonly exporter?: Uint8Array | undefined;
  /** Accept only a handshake bound to the carrier; never falls back. */
  readonly isChannelBindingRequired?: boolean;
  /** auth-service's public key for bindings, where the client has it. */
  readonly bindingKey?: KeyObject | undefined;
  /** Refuse a binding for anybody else, such as `user:alice`. */
  readonly expectedPrincipal?: string | undefined;
  readonly random?: RandomSource;
  /** For tests and vectors; a fresh pair by default. */
  readonly signing?: SignatureKeyPair;
}
