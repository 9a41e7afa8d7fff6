/** What two kinds of evidence say together. */
import type { RevocationMode } from '../input.ts';
import type { Finding } from './types.ts';

/** A revocation by any evidence that was verified is final, whatever else says. */
export function combine(mode: RevocationMode, ocsp: Finding | undefined, crl: Finding | undefined): Finding {
  const findings = [ocsp, crl].filter((finding) => finding !== undefined);
  const revoked = findings.find(({ status }) => status === 'revoked');
  const isGood = ({ status }: Finding): boolean => status === 'good';
  const enough = mode === 'both' ? findings.every(isGood) : findings.some(isGood);
  return {
    ...revoked,
    status: revoked === undefined ? (enough ? 'good' : 'unknown') : 'revoked',
    sources: findings.flatMap(({ sources }) => sources),
    unused: findings.flatMap(({ unused }) => unused),
  };
}
