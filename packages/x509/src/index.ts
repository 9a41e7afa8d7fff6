/** Certificate paths validated after RFC 5280, with revocation by CRL and OCSP (RFC 6960). Nothing here does I/O. */
export type * from './certificate/types.ts';
export type * from './input.ts';
export type * from './parsed.ts';
export type * from './result.ts';
export type * from './revocation/crl/types.ts';
export type * from './revocation/ocsp/types.ts';
export { createCache, type Cache, type CacheSizes } from './cache.ts';
export { anchorFrom, anchorFromKey } from './build/anchors.ts';
export type { Effort, WorkDone } from './work.ts';
export { DEFAULT_LIMITS, type Limits } from './limits.ts';
export { PROFILES } from './profile/index.ts';
export type * from './profile/types.ts';
export { REASONS, type Failure, type Reason } from './reasons.ts';
export { DEFAULT_ALGORITHMS, unsafeLegacyAlgorithms, type AlgorithmPolicy } from './signature/policy.ts';
export type { KeyKind, SignatureName } from './signature/types.ts';
export { createValidator, type Validator, type ValidatorOptions } from './validate.ts';
