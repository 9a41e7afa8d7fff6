/** Names under id-pkix-ocsp (RFC 6960 appendix B.1) and the purpose that allows to answer for a CA. */
import type { Oid } from '../../certificate/types.ts';

export const BASIC_RESPONSE: Oid = '1.3.6.1.5.5.7.48.1.1';
export const NONCE_EXTENSION: Oid = '1.3.6.1.5.5.7.48.1.2';
export const CRL_REFERENCE: Oid = '1.3.6.1.5.5.7.48.1.3';
export const NO_CHECK: Oid = '1.3.6.1.5.5.7.48.1.5';
export const ARCHIVE_CUTOFF: Oid = '1.3.6.1.5.5.7.48.1.6';
export const EXTENDED_REVOKE: Oid = '1.3.6.1.5.5.7.48.1.9';
export const OCSP_SIGNING: Oid = '1.3.6.1.5.5.7.3.9';
