/** What certificates, CRLs and OCSP answers have in common: signed octets, and the instants at which all defaults hold. */
import { bitString, writeSequence } from './der.ts';
import { makeKey, schemeOf, type SchemeName, type TestKey } from './keys.ts';

/** An instant at which to validate. */
export const AT = new Date('2026-06-01T00:00:00Z');
/** Every default certificate is valid between these. */
export const NOT_BEFORE = new Date('2025-01-01T00:00:00Z');
export const NOT_AFTER = new Date('2035-01-01T00:00:00Z');
/** Every default CRL and OCSP answer is fresh between these. */
export const THIS_UPDATE = new Date('2026-05-31T00:00:00Z');
export const NEXT_UPDATE = new Date('2026-06-07T00:00:00Z');

export interface SigningInput {
  /** Default: the P-256 key without a label. */
  readonly signer?: TestKey;
  readonly scheme?: SchemeName;
  /** AlgorithmIdentifier outside the signed part, where it is not that of the scheme. */
  readonly outerAlgorithm?: Uint8Array;
  /** Instead of a real signature. */
  readonly signatureValue?: Uint8Array;
}

/** The SEQUENCE of the signed fields, the algorithm and the signature; `more` comes behind them. */
export function signed(
  fields: readonly Uint8Array[],
  input: SigningInput,
  ...more: readonly Uint8Array[]
): Uint8Array {
  const signer = input.signer ?? makeKey();
  const scheme = schemeOf(signer, input.scheme);
  const tbs = writeSequence(...fields);
  const signatureValue = input.signatureValue ?? scheme.sign(signer.privateKey, tbs);
  return writeSequence(tbs, input.outerAlgorithm ?? scheme.algorithm, bitString(signatureValue), ...more);
}
