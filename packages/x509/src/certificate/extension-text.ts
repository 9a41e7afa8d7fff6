/** Extensions for people to read. */
import { EXTENSION } from './extension-oids.ts';
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
    case EXTENSION.authorityKeyIdentifier:
      return authorityKeyLines(certificate.authorityKeyIdentifier);
    case EXTENSION.subjectKeyIdentifier:
      return certificate.subjectKeyIdentifier && [hexText(certificate.subjectKeyIdentifier)];
    case EXTENSION.keyUsage:
      return certificate.keyUsage && [[...certificate.keyUsage].join(', ')];
    case EXTENSION.certificatePolicies:
      return certificate.certificatePolicies?.map(
        (policy) => `${oidName(policy.oid)}${policy.qualifiers ? ' with qualifiers' : ''}`,
      );
    case EXTENSION.policyMappings:
      return certificate.policyMappings?.map(
        (row) => `${oidName(row.issuerDomain)} = ${oidName(row.subjectDomain)}`,
      );
    case EXTENSION.subjectAltName:
      return certificate.subjectAltName?.map(generalNameText);
    case EXTENSION.issuerAltName:
      return certificate.issuerAltName?.map(generalNameText);
    case EXTENSION.basicConstraints:
      return basicConstraintsLines(certificate.basicConstraints);
    case EXTENSION.nameConstraints:
      return nameConstraintsLines(certificate.nameConstraints);
    case EXTENSION.policyConstraints:
      return policyConstraintsLines(certificate.policyConstraints);
    case EXTENSION.extendedKeyUsage:
      return certificate.extendedKeyUsage?.map(oidName);
    case EXTENSION.cRLDistributionPoints:
      return certificate.cRLDistributionPoints?.map(pointText);
    case EXTENSION.freshestCRL:
      return certificate.freshestCRL?.map(pointText);
    case EXTENSION.inhibitAnyPolicy:
      return certificate.inhibitAnyPolicy === undefined
        ? undefined
        : [`after ${certificate.inhibitAnyPolicy} certificates`];
    case EXTENSION.authorityInfoAccess:
      return certificate.authorityInfoAccess?.map(accessText);
    case EXTENSION.subjectInfoAccess:
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
