import type { Certificate } from '../certificate/types.ts';
import type { Failure } from '../reasons.ts';

/** RFC 5280 section 4.1.1.2: the algorithm outside of the signed part is the one inside, parameters included. */
export function checkSignedAlgorithm({ signature, signatureAlgorithm }: Certificate): Failure | undefined {
  if (Buffer.compare(signature.der, signatureAlgorithm.der) === 0) return undefined;
  return {
    reason: 'algorithm_mismatch',
    section: 'RFC 5280 section 4.1.1.2',
    detail: `${signature.oid} inside, ${signatureAlgorithm.oid} outside of what is signed`,
  };
}
