/** What a gateway shows: its certificate, and a signing key of this process that the certificate vouches for. */
import type { KeyObject } from 'node:crypto';
import {
  concatBytes,
  ED25519,
  signatureInput,
  type SignatureKeyPair,
  type SignatureRow,
} from '@sallyport/crypto';
import type { Delegation } from './server-hello.ts';
import { signatureRowOf } from './suite.ts';
import { u64 } from './wire.ts';

const DELEGATION_LABEL = 'gateway key';

export interface GatewayIdentity {
  /** DER, leaf first; its key is Ed25519. */
  readonly chainDer: readonly Uint8Array[];
  readonly trustDomain: string;
  /** Algorithm of the signing key. */
  readonly row: SignatureRow;
  /** spk_s: lives as long as the process. */
  readonly signing: SignatureKeyPair;
  /** dlg_s */
  readonly delegation: Delegation;
}

export interface GatewayIdentityInput {
  readonly chainDer: readonly Uint8Array[];
  readonly trustDomain: string;
  /** Private key of the leaf. It signs once, here, and is not kept. */
  readonly certificateKey: KeyObject;
  /** Until when the signing key speaks for the certificate; milliseconds since the Unix epoch. */
  readonly notAfterMs: number;
  /** For tests and vectors; a fresh pair by default. */
  readonly signing?: SignatureKeyPair;
}

/** Makes the signing key and its delegation. */
export function createGatewayIdentity(input: GatewayIdentityInput): GatewayIdentity {
  const signing = input.signing ?? ED25519.generate();
  const message = delegationMessage(ED25519.rawPublicKey(signing.publicKey), input.notAfterMs);
  const signature = ED25519.sign(input.certificateKey, message);
  return {
    chainDer: input.chainDer,
    trustDomain: input.trustDomain,
    row: ED25519,
    signing,
    delegation: { notAfterMs: input.notAfterMs, signature },
  };
}

/** True when the certificate's key vouches for `publicKey` (raw) at the given time. */
export function verifyDelegation(
  certificateKey: KeyObject,
  publicKey: Uint8Array,
  delegation: Delegation,
  atMs: number,
): boolean {
  const row = signatureRowOf(certificateKey);
  const message = delegationMessage(publicKey, delegation.notAfterMs);
  return (
    row !== undefined &&
    atMs <= delegation.notAfterMs &&
    row.verify(certificateKey, message, delegation.signature)
  );
}

/** dlg_s signs spk_s ‖ notAfter. */
function delegationMessage(publicKey: Uint8Array, notAfterMs: number): Uint8Array {
  return signatureInput(DELEGATION_LABEL, concatBytes(publicKey, u64(notAfterMs)));
}
