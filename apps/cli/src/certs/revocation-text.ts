/** CRLs and OCSP answers, for people and as JSON. */
import {
  generalNameText,
  nameText,
  type CertificateList,
  type OcspResponse,
  type RevokedCertificate,
} from '@sallyport/x509';

const timeText = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');
const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');
const optional = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : timeText(ms);

/** The first `maxEntries`, without decoding the others. */
function firstEntries(list: CertificateList, maxEntries: number): RevokedCertificate[] {
  const first: RevokedCertificate[] = [];
  if (maxEntries === 0) return first;
  for (const entry of list.entries) {
    first.push(entry);
    if (first.length === maxEntries) break;
  }
  return first;
}

export function crlJson(list: CertificateList, maxEntries: number): Record<string, unknown> {
  const { issuingDistributionPoint: point } = list;
  return {
    kind: 'crl',
    version: list.version,
    issuer: nameText(list.issuer),
    thisUpdate: timeText(list.thisUpdateMs),
    nextUpdate: optional(list.nextUpdateMs),
    number: list.cRLNumber?.toString(),
    deltaOf: list.deltaCRLIndicator?.toString(),
    fingerprint: list.fingerprint,
    signatureAlgorithm: list.signatureAlgorithm.oid,
    issuingDistributionPoint: point && {
      names: pointNames(list),
      onlyContainsUserCerts: point.onlyContainsUserCerts,
      onlyContainsCACerts: point.onlyContainsCACerts,
      onlyContainsAttributeCerts: point.onlyContainsAttributeCerts,
      onlySomeReasons: point.onlySomeReasons,
      indirectCRL: point.indirectCRL,
    },
    extensions: list.extensions.map(({ oid, critical, value }) => ({ oid, critical, value })),
    revokedCount: list.entries.count,
    revoked: firstEntries(list, maxEntries).map((entry) => ({
      serialNumber: entry.serialNumber,
      revokedAt: timeText(entry.revocationDateMs),
      reason: entry.reason,
      invalidityDate: optional(entry.invalidityDateMs),
      certificateIssuer: entry.certificateIssuer?.map(generalNameText),
    })),
  };
}

export function crlText(list: CertificateList, maxEntries: number): string {
  const { count } = list.entries;
  const shown = firstEntries(list, maxEntries);
  return [
    list.deltaCRLIndicator === undefined
      ? `CRL v${list.version}`
      : `Delta CRL, of CRL ${list.deltaCRLIndicator}`,
    `  Issuer:      ${nameText(list.issuer) || '(empty)'}`,
    `  This update: ${timeText(list.thisUpdateMs)}`,
    `  Next update: ${optional(list.nextUpdateMs) ?? 'not said'}`,
    ...(list.cRLNumber === undefined ? [] : [`  Number:      ${list.cRLNumber}`]),
    `  SHA-256:     ${list.fingerprint}`,
    ...(list.issuingDistributionPoint === undefined ? [] : [`  Covers:      ${scopeText(list)}`]),
    `  Revoked:     ${count}`,
    ...shown.map(
      (entry) =>
        `    ${hex(entry.serialNumber)}  ${timeText(entry.revocationDateMs)}  ${entry.reason}` +
        (entry.certificateIssuer ?? []).map((name) => `  of ${generalNameText(name)}`).join(''),
    ),
    ...(count > shown.length ? [`    and ${count - shown.length} more (--entries)`] : []),
  ].join('\n');
}

function pointNames({ issuingDistributionPoint: point }: CertificateList): string[] {
  if (point?.name === undefined) return [];
  if (point.name.kind === 'full') return point.name.names.map(generalNameText);
  return [`relative ${nameText({ der: new Uint8Array(), rdns: [point.name.rdn] })}`];
}

function scopeText(list: CertificateList): string {
  const point = list.issuingDistributionPoint;
  const parts = [
    ...(point?.onlyContainsUserCerts === true ? ['only leafs'] : []),
    ...(point?.onlyContainsCACerts === true ? ['only CAs'] : []),
    ...(point?.onlyContainsAttributeCerts === true ? ['only attribute certificates'] : []),
    ...(point?.onlySomeReasons === undefined ? [] : [`only ${point.onlySomeReasons.join(', ')}`]),
    ...(point?.indirectCRL === true ? ['of several issuers'] : []),
    ...pointNames(list),
  ];
  return parts.length === 0 ? 'all' : parts.join('; ');
}

export function ocspJson(response: OcspResponse): Record<string, unknown> {
  if (response.responseStatus !== 'successful')
    return { kind: 'ocsp', responseStatus: response.responseStatus };
  return {
    kind: 'ocsp',
    responseStatus: response.responseStatus,
    responder: responderText(response),
    producedAt: timeText(response.producedAtMs),
    nonce: response.nonce,
    fingerprint: response.fingerprint,
    signatureAlgorithm: response.signatureAlgorithm.oid,
    responses: response.responses.map(({ certId, status, thisUpdateMs, nextUpdateMs }) => ({
      serialNumber: certId.serialNumber,
      hashAlgorithm: certId.hashAlgorithm,
      issuerNameHash: certId.issuerNameHash,
      issuerKeyHash: certId.issuerKeyHash,
      status: status.kind,
      ...(status.kind === 'revoked' ? { revokedAt: timeText(status.atMs), reason: status.reason } : {}),
      thisUpdate: timeText(thisUpdateMs),
      nextUpdate: optional(nextUpdateMs),
    })),
    certificates: response.certificates.map(({ subject }) => nameText(subject)),
  };
}

type Successful = Extract<OcspResponse, { responseStatus: 'successful' }>;

const responderText = ({ responderId: id }: Successful): string =>
  id.kind === 'name' ? nameText(id.name) : `key ${hex(id.keyHash)}`;

export function ocspText(response: OcspResponse): string {
  if (response.responseStatus !== 'successful') return `OCSP answer: ${response.responseStatus}`;
  return [
    'OCSP answer: successful',
    `  Responder:   ${responderText(response)}`,
    `  Produced at: ${timeText(response.producedAtMs)}`,
    ...(response.nonce === undefined ? [] : [`  Nonce:       ${hex(response.nonce)}`]),
    `  SHA-256:     ${response.fingerprint}`,
    ...response.responses.map(
      ({ certId, status, thisUpdateMs, nextUpdateMs }) =>
        `  Certificate ${hex(certId.serialNumber)}: ${status.kind}` +
        (status.kind === 'revoked' ? ` since ${timeText(status.atMs)} (${status.reason})` : '') +
        `, ${timeText(thisUpdateMs)} to ${optional(nextUpdateMs) ?? 'not said'}`,
    ),
    ...response.certificates.map(
      ({ subject }) => `  With the certificate of ${nameText(subject) || '(empty)'}`,
    ),
  ].join('\n');
}
