/** Certificate paths validated after RFC 5280, with revocation by CRL and OCSP (RFC 6960). Nothing here does I/O. */
// Validation
export { anchorFrom, anchorFromKey } from './build/anchors.ts';
export { createCache, parseCertificateCached, type Cache, type CacheSizes } from './cache.ts';
export type * from './input.ts';
export { DEFAULT_LIMITS, type Limits } from './limits.ts';
export type * from './parsed.ts';
export { REASONS, type Failure, type Reason } from './reasons.ts';
export type * from './result.ts';
export { createValidator, type Validator, type ValidatorOptions } from './validate.ts';
export type { Effort, WorkDone } from './work.ts';
// Profiles and algorithms
export { PROFILES } from './profile/index.ts';
export type * from './profile/types.ts';
export type { IsPublicSuffix } from './profile/webpki-leaf.ts';
export { webpkiProfile } from './profile/webpki.ts';
export { DEFAULT_ALGORITHMS, unsafeLegacyAlgorithms, type AlgorithmPolicy } from './signature/policy.ts';
export type { KeyKind, SignatureName } from './signature/types.ts';
// Certificates and names
export { certificateText } from './certificate/certificate-text.ts';
export { generalNameText, nameText } from './certificate/name-text.ts';
export { parseCertificate } from './certificate/parse-certificate.ts';
export { isDer, parseCertificates, readPem, readPemBlocks, type PemBlock } from './certificate/pem.ts';
export type * from './certificate/types.ts';
export { matchName } from './names/match-name.ts';
export { sameName } from './names/name-key.ts';
export { parseSpiffeId, type SpiffeId } from './names/spiffe-id.ts';
// Revocation
export { parseCertificateList } from './revocation/crl/parse.ts';
export type * from './revocation/crl/types.ts';
export { parseOcspResponse } from './revocation/ocsp/parse.ts';
export { encodeOcspRequest, type OcspRequestOptions } from './revocation/ocsp/request.ts';
export type * from './revocation/ocsp/types.ts';
