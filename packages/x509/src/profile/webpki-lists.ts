/** BR section 7.2: which revocation lists the web's profile does not use. */
import type { CertificateList } from '../revocation/crl/types.ts';

/** Says what is wrong with the list; undefined when nothing is. */
export function webpkiListProblem(list: CertificateList): string | undefined {
  const { issuingDistributionPoint: point } = list;
  if (point?.indirectCRL === true) return 'an indirect list (BR section 7.2.2.1)';
  if (point?.name?.kind === 'relative') return 'a distribution point by a relative name (BR section 7.2.2.1)';
  if (point?.name?.kind === 'full' && !point.name.names.every(({ kind }) => kind === 'uri'))
    return 'a distribution point that is more than URIs (BR section 7.2.2.1)';
  return list.entries.repeatsSerialNumber ? 'a serial number twice (BR section 7.2)' : undefined;
}
