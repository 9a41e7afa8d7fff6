/** Which certificates and reasons a complete list is about: RFC 5280 section 6.3.3 (b), (d) and section 5.3.3. */
import {
  REVOCATION_REASONS,
  type AttributeTypeAndValue,
  type Certificate,
  type DistributionPoint,
  type DistributionPointName,
  type GeneralName,
  type Name,
  type ReasonFlag,
} from '../../certificate/types.ts';
import { SEQUENCE, SET } from '../../der/tags.ts';
import { writeElement, writeOid, writeSequence } from '../../der/writer.ts';
import { DerReader } from '../../der/reader.ts';
import { nameKey, sameName } from '../../names/name-key.ts';
import type { CertificateList, RevokedCertificate } from './types.ts';

/** The bits of REVOCATION_REASONS without `unused` (section 6.3.2 (a)). */
export const ALL_REASONS = 0b1_1111_1110;

/** Reasons as bits; `problem` is for people. */
export type Scope = { readonly reasons: number } | { readonly problem: string };

/** The points of the certificate, and behind them the one that section 6.3.3 assumes for other lists of its issuer. */
export function distributionPoints(certificate: Certificate): readonly DistributionPoint[] {
  const names: GeneralName[] = [
    { kind: 'directory', value: certificate.issuer },
    ...(certificate.issuerAltName ?? []),
  ];
  const assumed = { name: { kind: 'full', names }, reasons: undefined, crlIssuer: undefined } as const;
  return [...(certificate.cRLDistributionPoints ?? []), assumed];
}

/** What `list` covers of `certificate` when it is taken for the one of `point`. */
export function scopeOf(list: CertificateList, point: DistributionPoint, certificate: Certificate): Scope {
  const idp = list.issuingDistributionPoint;
  // (b)(1)
  if (point.crlIssuer === undefined) {
    if (!sameName(list.issuer, certificate.issuer))
      return { problem: 'another issuer than the certificate has' };
  } else {
    if (!isAmong(list.issuer, point.crlIssuer)) return { problem: 'another issuer than cRLIssuer' };
    if (idp?.indirectCRL !== true) return { problem: 'not an indirect list, as cRLIssuer asks for' };
  }
  // (b)(2)
  if (idp !== undefined) {
    if (idp.name !== undefined && !namesMatch(idp.name, list, point, certificate))
      return { problem: 'of another distribution point' }; // (i)
    const isCa = certificate.basicConstraints?.ca === true;
    if (idp.onlyContainsUserCerts && isCa) return { problem: 'for end entities only' }; // (ii)
    if (idp.onlyContainsCACerts && !isCa) return { problem: 'for CAs only' }; // (iii)
    if (idp.onlyContainsAttributeCerts) return { problem: 'for attribute certificates only' }; // (iv)
  }
  // (d)(1) to (4)
  return { reasons: reasonBits(point.reasons) & reasonBits(idp?.onlySomeReasons) };
}

function reasonBits(reasons: readonly ReasonFlag[] | undefined): number {
  if (reasons === undefined) return ALL_REASONS;
  return ALL_REASONS & reasons.reduce((bits, reason) => bits | (1 << REVOCATION_REASONS.indexOf(reason)), 0);
}

/** (b)(2)(i): a name of the list's point is one of the certificate's point, or of its cRLIssuer where it has no name. */
function namesMatch(
  name: DistributionPointName,
  list: CertificateList,
  point: DistributionPoint,
  certificate: Certificate,
): boolean {
  const ours = namesOf(name, list);
  return namesOfPoint(point, certificate).some((key) => ours.has(key));
}

const pointNames = new WeakMap<DistributionPoint, readonly string[]>();

/** A point belongs to one certificate, and is held against each list. */
function namesOfPoint(point: DistributionPoint, { issuer }: Certificate): readonly string[] {
  let keys = pointNames.get(point);
  if (keys === undefined) {
    const base = directoryNames(point.crlIssuer ?? [])[0] ?? issuer; // section 4.2.1.13
    const names = point.name === undefined ? (point.crlIssuer ?? []) : fullNames(point.name, base);
    keys = names.map(generalNameKey);
    pointNames.set(point, keys);
  }
  return keys;
}

const listNames = new WeakMap<DistributionPointName, ReadonlySet<string>>();

/** Both sides may have thousands of names: those of a list are looked up, not compared one by one. */
function namesOf(name: DistributionPointName, list: CertificateList): ReadonlySet<string> {
  let keys = listNames.get(name);
  if (keys === undefined) {
    keys = new Set(fullNames(name, list.issuer).map(generalNameKey));
    listNames.set(name, keys);
  }
  return keys;
}

function fullNames(name: DistributionPointName, base: Name): readonly GeneralName[] {
  return name.kind === 'full' ? name.names : [{ kind: 'directory', value: appendRdn(base, name.rdn) }];
}

/** nameRelativeToCRLIssuer, made a whole name. */
function appendRdn(base: Name, rdn: readonly AttributeTypeAndValue[]): Name {
  const attributes = rdn.map(({ type, tag, value }) =>
    writeSequence(writeOid(type), writeElement(tag, value)),
  );
  const inside = new DerReader(base.der);
  inside.open(SEQUENCE);
  const der = writeSequence(base.der.subarray(inside.offset), writeElement(SET, ...attributes));
  return { der, rdns: [...base.rdns, rdn] };
}

/** Section 5.2.5: certificate and list have the identical encoding; names of directories compare as everywhere. */
function generalNameKey(name: GeneralName): string {
  if (name.kind === 'directory') return `directory ${nameKey(name.value)}`;
  const type = name.kind === 'other' ? name.type : '';
  const value = typeof name.value === 'string' ? name.value : Buffer.from(name.value).toString('latin1');
  return `${name.kind} ${type} ${value}`;
}

function directoryNames(names: readonly GeneralName[]): readonly Name[] {
  return names.flatMap((name) => (name.kind === 'directory' ? [name.value] : []));
}

const directoryKeys = new WeakMap<readonly GeneralName[], ReadonlySet<string>>();

function isAmong(wanted: Name, names: readonly GeneralName[]): boolean {
  let keys = directoryKeys.get(names);
  if (keys === undefined) {
    keys = new Set(directoryNames(names).map(nameKey));
    directoryKeys.set(names, keys);
  }
  return keys.has(nameKey(wanted));
}

/** Sections 6.3.3 (i), (j) and 5.3.3: the entries about this certificate. */
export function entriesFor(certificate: Certificate, list: CertificateList): readonly RevokedCertificate[] {
  return list.entries
    .find(certificate.serialNumber)
    .filter(({ certificateIssuer }) =>
      certificateIssuer === undefined
        ? sameName(list.issuer, certificate.issuer)
        : isAmong(certificate.issuer, certificateIssuer),
    );
}
