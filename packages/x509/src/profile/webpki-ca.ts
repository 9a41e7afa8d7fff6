/** Rules of the Baseline Requirements for every certificate, and for roots. */
import { inspectKey } from '../signature/public-key.ts';
import { isFailure, type KeyKind } from '../signature/types.ts';
import { broken, isSelfIssued } from './facts.ts';
import type { Rule } from './types.ts';

export const versionThree: Rule = ({ version }) =>
  version === 3 ? undefined : broken('BR section 7.1.1', `a certificate of version ${version}`);

/** BR section 7.1.2, the serialNumber of every profile. That of an anchor names nothing in a path. */
export const positiveSerialNumber: Rule = ({ serialNumber }, position) => {
  if (position === 'anchor') return undefined;
  const isPositive = (serialNumber[0] ?? 0) < 0x80 && serialNumber.some((octet) => octet !== 0);
  if (!isPositive) return broken('BR section 7.1.2', 'a serial number that is not positive');
  return serialNumber.length > 20
    ? broken('BR section 7.1.2', 'a serial number of more than 20 octets')
    : undefined;
};

/**
 * RFC 5280 section 4.1.2.5: UTCTime through 2049. A rule of the web alone, as NIST's suite has a valid leaf that breaks it; what
 * an anchor breaks was for whoever chose it to see.
 */
export const utcTimes: Rule = ({ validity }, position) =>
  position !== 'anchor' && validity.hasEarlyGeneralizedTime
    ? broken('RFC 5280 section 4.1.2.5', 'a GeneralizedTime before 2050')
    : undefined;

/** BR section 7.1.2, issuerUniqueID and subjectUniqueID of every profile. */
export const noUniqueIds: Rule = ({ hasUniqueId }) =>
  hasUniqueId ? broken('BR section 7.1.2', 'a unique identifier') : undefined;

export const rootExtendedKeyUsage: Rule = (certificate, position) =>
  position === 'anchor' && isSelfIssued(certificate) && certificate.extendedKeyUsage !== undefined
    ? broken('BR section 7.1.2.1.2', 'a root with an extended key usage')
    : undefined;

/** BR section 7.1.2.1.3: where a root has the extension, it points at the root's own key and at nothing else. */
export const rootAuthorityKeyIdentifier: Rule = (certificate, position) => {
  const { authorityKeyIdentifier: identifier, subjectKeyIdentifier } = certificate;
  if (position !== 'anchor' || identifier === undefined || !isSelfIssued(certificate)) return undefined;
  const section = 'BR section 7.1.2.1.3';
  if (identifier.keyIdentifier === undefined)
    return broken(section, 'an authorityKeyIdentifier without keyIdentifier');
  if (identifier.issuer !== undefined || identifier.serialNumber !== undefined)
    return broken(section, 'an authorityKeyIdentifier with issuer or serial number');
  const isOwn =
    subjectKeyIdentifier !== undefined &&
    Buffer.compare(subjectKeyIdentifier, identifier.keyIdentifier) === 0;
  return isOwn
    ? undefined
    : broken(section, 'a root whose authorityKeyIdentifier is not its subjectKeyIdentifier');
};

const KEYS: ReadonlySet<KeyKind> = new Set<KeyKind>(['rsa', 'ec-p256', 'ec-p384', 'ec-p521']);

/** BR sections 6.1.5 and 7.1.3.1, of subscribers too. */
export const keySizes: Rule = ({ subjectPublicKeyInfo }) => {
  const key = inspectKey(subjectPublicKeyInfo, undefined);
  if (isFailure(key)) return key;
  if (!KEYS.has(key.kind)) return broken('BR section 7.1.3.1', `a key of the kind ${key.kind}`);
  if (key.modulusBits === undefined) return undefined;
  if (key.modulusBits < 2_048) return broken('BR section 6.1.5', `an RSA key of ${key.modulusBits} bits`);
  return key.modulusBits % 8 === 0
    ? undefined
    : broken('BR section 6.1.5', `an RSA key of ${key.modulusBits} bits, no multiple of 8`);
};
