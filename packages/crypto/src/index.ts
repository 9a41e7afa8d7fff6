export {
  bytesOf,
  concatBytes,
  constantTimeEqual,
  fromBase64url,
  fromHex,
  fromUtf8,
  randomBytes,
  toBase64url,
  toHex,
  utf8,
} from './bytes.ts';
export { HASH_LENGTH, hkdfExpand, hkdfExtract, hmacSha256, secretKey, sha256 } from './hash.ts';
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
