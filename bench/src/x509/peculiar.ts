/** The same parsing by `@peculiar/asn1-x509`: the certificate, and the extensions that a path validation reads. */
import './metadata.ts';
import { AsnConvert } from '@peculiar/asn1-schema';
import {
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  KeyUsage,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
} from '@peculiar/asn1-x509';

const SCHEMAS = new Map<string, new () => unknown>([
  [id_ce_authorityKeyIdentifier, AuthorityKeyIdentifier],
  [id_ce_basicConstraints, BasicConstraints],
  [id_ce_extKeyUsage, ExtendedKeyUsage],
  [id_ce_keyUsage, KeyUsage],
  [id_ce_subjectAltName, SubjectAlternativeName],
  [id_ce_subjectKeyIdentifier, SubjectKeyIdentifier],
]);

export function parseWithPeculiar(der: Uint8Array): unknown {
  const certificate = AsnConvert.parse(der, Certificate);
  const extensions = certificate.tbsCertificate.extensions ?? [];
  return extensions.map(({ extnID, extnValue }) => {
    const schema = SCHEMAS.get(extnID);
    return schema === undefined ? undefined : AsnConvert.parse(extnValue.buffer, schema);
  });
}
