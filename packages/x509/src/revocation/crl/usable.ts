/** Whether a list, complete or delta, may be used at all: RFC 5280 sections 5.1 to 5.3 and 6.3.3 (a). */
import type { Pass } from '../types.ts';
import { refusedExtension } from './extensions.ts';
import type { CertificateList } from './types.ts';

/** Says what is wrong with the list itself, whenever it is used. */
export function listProblem(list: CertificateList): string | undefined {
  const refused = refusedExtension(list);
  if (refused !== undefined) return `the critical extension ${refused}`; // section 5.2
  if (list.entries.hasUnknownCriticalExtension) return 'an entry with an unknown critical extension'; // section 5.3
  if (list.version === 2 && list.cRLNumber === undefined) return 'no CRL number'; // section 5.2.3
  if (list.nextUpdateMs === undefined) return 'no nextUpdate'; // section 5.1.2.5
  if (list.entries.hasCertificateIssuer && list.issuingDistributionPoint?.indirectCRL !== true)
    return 'certificateIssuer in a list that is not indirect'; // section 5.3.3
  if (Buffer.compare(list.signature.der, list.signatureAlgorithm.der) !== 0)
    return 'two signature algorithms'; // section 5.1.1.2
  return undefined;
}

export function isFromTheFuture(list: CertificateList, pass: Pass): boolean {
  return list.thisUpdateMs > pass.latestMs;
}

/** Section 6.3.3 (a)(1): the time is after nextUpdate. */
export function isExpired(list: CertificateList, pass: Pass): boolean {
  return list.nextUpdateMs === undefined || pass.context.atMs > list.nextUpdateMs;
}
