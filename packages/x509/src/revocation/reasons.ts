/** CRLReason (RFC 5280 section 5.3.1), which CRL entries and OCSP answers share. */
import type { DerReader } from '../der/reader.ts';
import { ENUMERATED } from '../der/tags.ts';
import type { RevocationReason } from './crl/types.ts';

/** By number; 7 is not used. */
const CRL_REASONS: readonly (RevocationReason | undefined)[] = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  undefined,
  'removeFromCRL',
  'privilegeWithdrawn',
  'aACompromise',
];

export function decodeRevocationReason(reader: DerReader): RevocationReason {
  const offset = reader.offset;
  const reason = CRL_REASONS[reader.unsigned(ENUMERATED)];
  return reason ?? reader.fail('no CRLReason has this number', offset);
}
