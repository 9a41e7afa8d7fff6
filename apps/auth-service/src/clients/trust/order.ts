/** What is sent is what is checked: no certificate in a handshake that has no part in its path. */
import type { Certificate, Valid } from '@sallyport/x509';

/**
 * Whether `sent` is one chain, leaf first, each naming the next as its issuer, and the path is the beginning of it or goes
 * on from its end. A longer chain than the path is one whose end an anchor made needless, as after a change of roots.
 */
export function followsOrder(sent: readonly Certificate[], { path, anchor }: Valid): boolean {
  for (const [index, certificate] of sent.entries()) {
    const next = sent[index + 1];
    if (next !== undefined && !sameOctets(certificate.issuer.der, next.subject.der)) return false;
    const own = path[index];
    if (own !== undefined && own.fingerprint !== certificate.fingerprint) return false;
    // Behind the path comes its anchor, or a certificate for the anchor's name and key.
    if (own === undefined && index === path.length && !isFor(certificate, anchor)) return false;
  }
  return true;
}

function isFor(certificate: Certificate, anchor: Valid['anchor']): boolean {
  return (
    sameOctets(certificate.subject.der, anchor.name.der) &&
    sameOctets(certificate.subjectPublicKeyInfo.der, anchor.subjectPublicKeyInfo.der)
  );
}

function sameOctets(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
