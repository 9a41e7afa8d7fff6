/** Extensions for people to read. */
import { addressText, generalNameText, nameText, rdnText } from './name-text.ts';
import { oidName } from './oid-names.ts';
import type { Certificate, DistributionPoint, Extension, GeneralSubtree, NameConstraints } from './types.ts';

/** A line with what it is, and what it says on indented lines below. */
export function extensionLines(certificate: Certificate, extension: Extension): string[] {
  const title = `${oidName(extension.oid)}${extension.critical ? ' (critical)' : ''}:`;
  const values = knownValues(certificate, extension.oid) ?? [hexText(extension.value)];
  return values.length === 1 ? [`${title} ${values[0]}`] : [title, ...values.map((value) => `  ${value}`)];
}

/** Long ones are cut: nobody reads them. */
function hexText(octets: Uint8Array): string {
  const hex = Buffer.from(octets.subarray(0, 64)).toString('hex');
  return octets.length > 64 ? `${hex}… (${octets.length} octets)` : hex;
}

/** Undefined: this package does not know the extension. */
function knownValues(certificate: Certificate, oid: string): string[] | undefined {
  switch (oid) {
    case '2.5.29.35':
      return authorityKeyLines(certificate.authorityKeyIdentifier);
    case '2.5.29.14':
      return certificate.subjectKeyIdentifier && [hexText(certificate.subjectKeyIdentifier)];
    case '2.5.29.15':
      return certificate.keyUsage && [[...certificate.keyUsage].join(', ')];
    case '2.5.29.32':
      return certificate.certificatePolicies?.map(
        (policy) => `${oidName(policy.oid)}${policy.qualifiers ? ' with qualifiers' : ''}`,
      );
    case '2.5.29.33':
      return certificate.policyMappings?.map(
        (row) => `${oidName(row.issuerDomain)} = ${oidName(row.subjectDomain)}`,
      );
    case '2.5.29.17':
      return certificate.subjectAltName?.map(generalNameText);
    case '2.5.29.18':
      return certificate.issuerAltName?.map(generalNameText);
    case '2.5.29.19':
      return basicConstraintsLines(certificate.basicConstraints);
    case '2.5.29.30':
      return nameConstraintsLines(certificate.nameConstraints);
    case '2.5.29.36':
      return policyConstraintsLines(certificate.policyConstraints);
    case '2.5.29.37':
      return certificate.extendedKeyUsage?.map(oidName);
    case '2.5.29.31':
      return certificate.cRLDistributionPoints?.map(pointText);
    case '2.5.29.46':
      return certificate.freshestCRL?.map(pointText);
    case '2.5.29.54':
      return certificate.inhibitAnyPolicy === undefined
        ? undefined
        : [`after ${certificate.inhibitAnyPolicy} certificates`];
    case '1.3.6.1.5.5.7.1.1':
      return certificate.authorityInfoAccess?.map(accessText);
    case '1.3.6.1.5.5.7.1.11':
      return certificate.subjectInfoAccess?.map(accessText);
    default:
      return undefined;
  }
}

function authorityKeyLines(value: Certificate['authorityKeyIdentifier']): string[] | undefined {
  if (value === undefined) return undefined;
  const { keyIdentifier, issuer, serialNumber } = value;
  const lines = [
    ...(keyIdentifier ? [hexText(keyIdentifier)] : []),
    ...(issuer ?? []).map((name) => `issuer ${generalNameText(name)}`),
    ...(serialNumber ? [`serial ${hexText(serialNumber)}`] : []),
  ];
  return lines.length > 0 ? lines : ['(empty)'];
}

function basicConstraintsLines(value: Certificate['basicConstraints']): string[] | undefined {
  if (value === undefined) return undefined;
  const length = value.pathLen === undefined ? '' : `, path length ${value.pathLen}`;
  return [`${value.ca ? 'CA' : 'not a CA'}${length}`];
}

function policyConstraintsLines(value: Certificate['policyConstraints']): string[] | undefined {
  if (value === undefined) return undefined;
  const { requireExplicitPolicy, inhibitPolicyMapping } = value;
  return [
    ...(requireExplicitPolicy === undefined
      ? []
      : [`explicit policy required after ${requireExplicitPolicy} certificates`]),
    ...(inhibitPolicyMapping === undefined
      ? []
      : [`policy mapping inhibited after ${inhibitPolicyMapping} certificates`]),
  ];
}

function nameConstraintsLines(value: NameConstraints | undefined): string[] | undefined {
  return (
    value && [
      ...(value.permitted ?? []).map((subtree) => `permitted ${subtreeText(subtree)}`),
      ...(value.excluded ?? []).map((subtree) => `excluded ${subtreeText(subtree)}`),
    ]
  );
}

function subtreeText({ base, minimum, maximum }: GeneralSubtree): string {
  const text = base.kind === 'ip' ? `IP:${addressText(base.value)}` : generalNameText(base);
  return minimum === 0 && maximum === undefined
    ? text
    : `${text} from ${minimum} to ${maximum ?? 'any depth'}`;
}

/** Of distribution points; also that of a CRL. */
export function pointText({ name, reasons, crlIssuer }: DistributionPoint): string {
  const names =
    name?.kind === 'full' ? name.names.map(generalNameText) : name && [`relative ${rdnText(name.rdn)}`];
  return [
    ...(names ?? []),
    ...(reasons ? [`reasons ${reasons.join(', ')}`] : []),
    ...(crlIssuer ?? []).map(
      (issuer) =>
        `CRL issuer ${issuer.kind === 'directory' ? nameText(issuer.value) : generalNameText(issuer)}`,
    ),
  ].join('; ');
}

const accessText = ({ method, location }: NonNullable<Certificate['authorityInfoAccess']>[number]): string =>
  `${oidName(method)} ${generalNameText(location)}`;
