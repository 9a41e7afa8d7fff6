export { AEAD_TABLE, AES_256_GCM, aead, aeadRow, aeadRowById } from './aead.ts';
export type { Aead, AeadName, AeadRow, OpenInput, SealInput } from './aead.ts';
export {
  bytesOf,
  concatBytes,
  constantTimeEqual,
  fromBase64url,
  fromHex,
  fromUtf8,
  randomBytes,
  randomHex,
  toBase64url,
  toHex,
  utf8,
} from './bytes.ts';
export { isAcceptableEd25519Public } from './ed25519-public.ts';
export {
  HASH_LENGTH,
  hkdfExpand,
  hkdfExtract,
  hmacSha256,
  RunningSha256,
  secretKey,
  sha256,
} from './hash.ts';
export { KEX_TABLE, kexRow, kexRowById, X25519, X25519MLKEM768 } from './kex.ts';
export type { KexName, KexOffer, KexRow, RandomSource } from './kex.ts';
export {
  consistencyProof,
  emptyRoot,
  inclusionPath,
  leafHash,
  merkleRoot,
  nodeHash,
  rootFromInclusion,
  verifyConsistency,
} from './merkle.ts';
export type { ConsistencyProof, InclusionProof } from './merkle.ts';
export { Secret } from './secret.ts';
export {
  ECDSA_P256,
  ED25519,
  SIGNATURE_TABLE,
  signatureInput,
  signatureRow,
  signatureRowById,
} from './signature.ts';
export type { SignatureKeyPair, SignatureName, SignatureRow } from './signature.ts';
