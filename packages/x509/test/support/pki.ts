/**
 * Certificates, CRLs and OCSP answers for tests, any of them wrong in any field. `issue` makes a sensible certificate;
 * `makeCertificate`, `makeCrl` and `makeOcspResponse` take every field, each as a value or as raw DER.
 *
 *   const root = issue({ subject: 'root', ca: true });
 *   const leaf = issue({ subject: 'leaf', issuer: root, names: [general.dns('a.example')] });
 *   leaf.certificate  // parsed; throws when it is malformed: then use leaf.der
 */
import { parseCertificate } from '../../src/certificate/parse-certificate.ts';
import type { Certificate, KeyUsage } from '../../src/certificate/types.ts';
import {
  bitString,
  contextPrimitive,
  name,
  time,
  writeExplicit,
  writeInteger,
  writeSequence,
  type NameInput,
} from './der.ts';
import {
  authorityKeyIdentifier,
  basicConstraints,
  extendedKeyUsage,
  keyUsage,
  subjectAltName,
  subjectKeyIdentifier,
} from './extensions.ts';
import { makeKey, schemeOf, type KeyKind, type TestKey } from './keys.ts';
import { NOT_AFTER, NOT_BEFORE, signed, type SigningInput } from './signed.ts';

export * from './crl.ts';
export * from './extensions.ts';
export { SCHEMES, keyIdentifierOf, makeKey, schemeOf } from './keys.ts';
export type { KeyKind, SchemeName, TestKey } from './keys.ts';
export * from './ocsp.ts';
export { general, name, type NameInput } from './der.ts';
export * from './signed.ts';

/** Every field of a certificate; `signer` is `key` unless told. Uint8Array means: this DER, whatever it is. */
export interface CertificateInput extends SigningInput {
  /** Absent: v3 with extensions, v1 without. `null`: no version field. */
  readonly version?: 1 | 2 | 3 | Uint8Array | null;
  readonly serial?: number | bigint | Uint8Array;
  readonly subject?: NameInput;
  /** Default: the subject (self-signed). */
  readonly issuer?: NameInput;
  readonly notBefore?: Date | Uint8Array;
  readonly notAfter?: Date | Uint8Array;
  readonly key?: TestKey;
  readonly spki?: Uint8Array;
  /** Each a whole Extension; an empty list leaves the field out. */
  readonly extensions?: readonly Uint8Array[];
  readonly issuerUniqueId?: Uint8Array;
  readonly subjectUniqueId?: Uint8Array;
  /** AlgorithmIdentifier inside the signed part, where it is not that of the scheme. */
  readonly innerAlgorithm?: Uint8Array;
  /** Changes the fields of the signed part (each a whole element) before they are signed. */
  readonly mapFields?: (fields: readonly Uint8Array[]) => readonly Uint8Array[];
}

let lastSerial = 0x1000;

/** DER of a certificate that is signed as it stands. */
export function makeCertificate(input: CertificateInput = {}): Uint8Array {
  const key = input.key ?? makeKey();
  const subject = name(input.subject ?? 'subject');
  const scheme = schemeOf(input.signer ?? key, input.scheme);
  const fields = [
    ...versionField(input),
    input.serial instanceof Uint8Array ? input.serial : writeInteger(input.serial ?? (lastSerial += 1)),
    input.innerAlgorithm ?? scheme.algorithm,
    input.issuer === undefined ? subject : name(input.issuer),
    writeSequence(time(input.notBefore ?? NOT_BEFORE), time(input.notAfter ?? NOT_AFTER)),
    subject,
    input.spki ?? key.spki,
    ...(input.issuerUniqueId === undefined ? [] : [bitString(input.issuerUniqueId, 0, contextPrimitive(1))]),
    ...(input.subjectUniqueId === undefined
      ? []
      : [bitString(input.subjectUniqueId, 0, contextPrimitive(2))]),
    ...((input.extensions ?? []).length === 0
      ? []
      : [writeExplicit(3, writeSequence(...(input.extensions ?? [])))]),
  ];
  return signed(input.mapFields?.(fields) ?? fields, { ...input, signer: input.signer ?? key });
}

function versionField({ version, extensions = [] }: CertificateInput): Uint8Array[] {
  if (version instanceof Uint8Array) return [version];
  const effective = version === undefined && extensions.length > 0 ? 3 : (version ?? 1);
  return effective === 1 ? [] : [writeExplicit(0, writeInteger(effective - 1))];
}

/** A certificate with its key, as an issuer of others. */
export interface Issued {
  readonly der: Uint8Array;
  /** Parsed at the first use; throws when the certificate is malformed. */
  readonly certificate: Certificate;
  readonly key: TestKey;
  readonly subject: Uint8Array;
}

export interface IssueInput extends Omit<CertificateInput, 'issuer' | 'key' | 'signer'> {
  /** Absent: self-signed. */
  readonly issuer?: Issued;
  /** A kind means the one key of this kind and subject. */
  readonly key?: TestKey | KeyKind;
  readonly ca?: boolean;
  readonly pathLen?: number;
  /** GeneralNames of subjectAltName. */
  readonly names?: readonly Uint8Array[];
  readonly usages?: readonly KeyUsage[];
  readonly extendedKeyUsage?: readonly string[];
  /** Added behind the usual ones: basicConstraints, keyUsage and key identifiers, and what the fields above ask for. */
  readonly extensions?: readonly Uint8Array[];
  /** Instead of all of them. */
  readonly onlyExtensions?: readonly Uint8Array[];
}

/** A certificate with the usual extensions, issued by another or by itself. */
export function issue(input: IssueInput = {}): Issued {
  const subject = name(input.subject ?? 'subject');
  const key =
    typeof input.key === 'object' ? input.key : makeKey(input.key, Buffer.from(subject).toString('hex'));
  const extensions = input.onlyExtensions ?? [...usualExtensions(input, key), ...(input.extensions ?? [])];
  const der = makeCertificate({
    ...input,
    subject,
    key,
    extensions,
    issuer: input.issuer?.subject ?? subject,
    signer: input.issuer?.key ?? key,
  });
  let parsed: Certificate | undefined;
  return {
    der,
    key,
    subject,
    get certificate() {
      parsed ??= parseOrThrow(der);
      return parsed;
    },
  };
}

function usualExtensions(input: IssueInput, key: TestKey): Uint8Array[] {
  const isCa = input.ca === true;
  const usages: readonly KeyUsage[] =
    input.usages ?? (isCa ? ['keyCertSign', 'cRLSign'] : ['digitalSignature']);
  const keyIdentifier = (input.issuer?.key ?? key).keyIdentifier;
  return [
    ...(isCa ? [basicConstraints(true, input.pathLen)] : []),
    ...(usages.length > 0 ? [keyUsage(...usages)] : []),
    ...(input.extendedKeyUsage ? [extendedKeyUsage(input.extendedKeyUsage)] : []),
    ...(input.names ? [subjectAltName(input.names)] : []),
    subjectKeyIdentifier(key.keyIdentifier),
    authorityKeyIdentifier({ keyIdentifier }),
  ];
}

/** A test that wants a certificate has one, or says why not. */
export function parseOrThrow(der: Uint8Array): Certificate {
  const parsed = parseCertificate(der);
  if (!parsed.ok) throw new Error(`${parsed.failure.problem} at octet ${parsed.failure.offset}`);
  return parsed.value;
}

export function toPem(der: Uint8Array, label = 'CERTIFICATE'): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/gu) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
