/** Choosing algorithms: the gateway takes its first preference that the client offers; both hold rows, not names. */
import {
  AEAD_TABLE,
  KEX_TABLE,
  SIGNATURE_TABLE,
  type AeadRow,
  type KexRow,
  type SignatureRow,
} from '@sallyport/crypto';
import type { KeyObject } from 'node:crypto';
import type { ClientHello } from './client-hello.ts';

/** What a side admits, the preferred first. Leaving out X25519 forbids classical key exchange. */
export interface SuitePolicy {
  readonly kex: readonly KexRow[];
  readonly aead: readonly AeadRow[];
  readonly signature: readonly SignatureRow[];
}

export const DEFAULT_SUITES: SuitePolicy = Object.freeze({
  kex: KEX_TABLE,
  aead: AEAD_TABLE,
  signature: SIGNATURE_TABLE,
});

export interface Suite {
  readonly kex: KexRow;
  readonly aead: AeadRow;
  readonly signature: SignatureRow;
}

/** The gateway's choice, or undefined when nothing is common. */
export function chooseSuite(policy: SuitePolicy, hello: ClientHello): Suite | undefined {
  const kex = policy.kex.find((row) => hello.kex.some(({ id }) => id === row.id));
  const aead = policy.aead.find((row) => hello.aead.includes(row.id));
  const signature = policy.signature.find((row) => hello.signature.includes(row.id));
  return kex && aead && signature && { kex, aead, signature };
}

/** The rows of numbers that a ServerHello names, or undefined when the policy lacks one of them. */
export function suiteOf(
  policy: SuitePolicy,
  chosen: { readonly kex: number; readonly aead: number; readonly signature: number },
): Suite | undefined {
  const kex = policy.kex.find((row) => row.id === chosen.kex);
  const aead = policy.aead.find((row) => row.id === chosen.aead);
  const signature = policy.signature.find((row) => row.id === chosen.signature);
  return kex && aead && signature && { kex, aead, signature };
}

/** The row for a key from a certificate, or undefined when no algorithm of the table takes it. */
export function signatureRowOf(publicKey: KeyObject): SignatureRow | undefined {
  return SIGNATURE_TABLE.find((row) => row.isAcceptable(publicKey));
}
