/** `svid`: X.509-SVIDs (SPIFFE X509-SVID standard, sections 2 to 5). Paths are those of RFC 5280 section 6, no more. */
import { EXTENSION } from '../certificate/extension-oids.ts';
import type { Certificate } from '../certificate/types.ts';
import { parseSpiffeId, type SpiffeId } from '../names/spiffe-id.ts';
import type { Failure } from '../reasons.ts';
import { broken, isCritical } from './facts.ts';
import type { Profile, Rule } from './types.ts';

/** Section 2: exactly one URI, and it is a SPIFFE id. */
function spiffeIdOf({ subjectAltName = [] }: Pick<Certificate, 'subjectAltName'>): SpiffeId | Failure {
  const uris = subjectAltName.filter((name) => name.kind === 'uri');
  const [uri] = uris;
  if (uris.length !== 1 || uri?.kind !== 'uri')
    return broken('X509-SVID section 2', `${uris.length} URIs in subjectAltName and not exactly one`);
  return parseSpiffeId(uri.value) ?? broken('SPIFFE-ID section 2', `"${uri.value}" is no SPIFFE id`);
}

/** Sections 3.1, 4.1, 4.3 and 5.2: who a leaf is. */
const svidLeaf: Rule = (certificate, position) => {
  if (position !== 'leaf') return undefined;
  const { basicConstraints, keyUsage } = certificate;
  if (basicConstraints?.ca === true) return broken('X509-SVID section 5.2', 'a leaf that is a CA');
  if (keyUsage?.has('digitalSignature') !== true)
    return broken('X509-SVID section 4.3', 'a leaf without digitalSignature');
  if (keyUsage.has('keyCertSign') || keyUsage.has('cRLSign'))
    return broken('X509-SVID section 4.3', 'a leaf that may sign certificates or CRLs');
  const id = spiffeIdOf(certificate);
  if ('reason' in id) return id;
  return id.path === '' ? broken('X509-SVID section 3.1', 'the id of a leaf without a path') : undefined;
};

/** Sections 3.2 and 4.3: a signing certificate need not be an SVID; one that names a SPIFFE id names a trust domain. */
const svidSigner: Rule = (certificate, position) => {
  if (position === 'leaf') return undefined;
  if (position === 'intermediate' && certificate.keyUsage?.has('keyCertSign') !== true)
    return broken('X509-SVID section 4.3', 'a signing certificate without keyCertSign');
  for (const name of certificate.subjectAltName ?? []) {
    if (name.kind !== 'uri' || !/^spiffe:/iu.test(name.value)) continue;
    const id = spiffeIdOf(certificate);
    if ('reason' in id) return id;
    if (id.path !== '') return broken('X509-SVID section 3.2', 'the id of a signing certificate with a path');
  }
  return undefined;
};

/** Section 4.3: the extension is there, and critical. Of what is below the anchor: an anchor may be anything. */
const svidKeyUsage: Rule = (certificate, position) =>
  position === 'anchor' || isCritical(certificate, EXTENSION.keyUsage)
    ? undefined
    : broken('X509-SVID section 4.3', 'no critical keyUsage');

/** Section 3.1, RFC 5280 section 4.1.2.6. */
const svidSubject: Rule = (certificate, position) =>
  position === 'leaf' &&
  certificate.subject.rdns.length === 0 &&
  !isCritical(certificate, EXTENSION.subjectAltName)
    ? broken('X509-SVID section 3.1', 'no subject, and a subjectAltName that is not critical')
    : undefined;

export const SVID: Profile = {
  name: 'svid',
  defaultPurpose: 'any',
  rules: [svidLeaf, svidSigner, svidKeyUsage, svidSubject],
};
