/** Our fields of CRLs and OCSP answers against those that @peculiar/asn1-x509 and @peculiar/asn1-ocsp read. */
import { AsnConvert } from '@peculiar/asn1-schema';
import * as asn1Ocsp from '@peculiar/asn1-ocsp';
import * as asn1 from '@peculiar/asn1-x509';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCertificateList } from '../../src/revocation/crl/parse.ts';
import type { CertificateList, RevokedCertificate } from '../../src/revocation/crl/types.ts';
import { parseOcspResponse } from '../../src/revocation/ocsp/parse.ts';
import type { BasicOcspResponse, SingleResponse } from '../../src/revocation/ocsp/types.ts';
import { toHex } from '../support/der.ts';
import {
  general,
  issuingDistributionPoint,
  makeCrl,
  makeOcspResponse,
  type RevokedInput,
} from '../support/pki.ts';
import { answerDer, ca, idOf, leaf, unknownExtension } from '../support/revocation.ts';
import { vectorFiles } from '../support/vectors.ts';

const hex = (octets: ArrayBuffer | undefined): string | undefined =>
  octets && Buffer.from(octets).toString('hex');
const serialized = (value: unknown): string => Buffer.from(AsnConvert.serialize(value)).toString('hex');
const extensionRow = ({ extnID, critical, extnValue }: asn1.Extension): unknown => [
  extnID,
  critical,
  hex(extnValue.buffer),
];
const ourRow = ({ oid, critical, value }: CertificateList['extensions'][number]): unknown => [
  oid,
  critical,
  toHex(value),
];

const REASONS: readonly string[] = [
  ...['unspecified', 'keyCompromise', 'cACompromise', 'affiliationChanged', 'superseded'],
  ...['cessationOfOperation', 'certificateHold', '', 'removeFromCRL', 'privilegeWithdrawn', 'aACompromise'],
];

function ourList(list: CertificateList) {
  const idp = list.issuingDistributionPoint;
  return {
    tbs: toHex(list.tbs),
    version: list.version,
    signature: list.signature.oid,
    issuer: toHex(list.issuer.der),
    thisUpdate: list.thisUpdateMs,
    nextUpdate: list.nextUpdateMs,
    entries: [...list.entries].map(ourEntry),
    extensions: list.extensions.map(ourRow),
    number: list.cRLNumber,
    base: list.deltaCRLIndicator,
    keyIdentifier:
      list.authorityKeyIdentifier?.keyIdentifier && toHex(list.authorityKeyIdentifier.keyIdentifier),
    idp: idp && [
      idp.indirectCRL,
      idp.onlyContainsAttributeCerts,
      idp.onlyContainsCACerts,
      idp.onlyContainsUserCerts,
    ],
    signatureValue: toHex(list.signatureValue),
  };
}
const ourEntry = ({
  serialNumber,
  revocationDateMs,
  reason,
  invalidityDateMs,
}: RevokedCertificate): unknown => [toHex(serialNumber), revocationDateMs, reason, invalidityDateMs];

function theirList(der: Uint8Array) {
  const list = AsnConvert.parse(der, asn1.CertificateList);
  const tbs = list.tbsCertList;
  const value = (oid: string): ArrayBuffer | undefined =>
    tbs.crlExtensions?.find(({ extnID }) => extnID === oid)?.extnValue.buffer;
  const number = (oid: string): bigint | undefined => {
    const octets = value(oid);
    return octets && BigInt(`0x${hex(octets)?.slice(4)}`);
  };
  const aki = value(asn1.id_ce_authorityKeyIdentifier);
  const idp = value(asn1.id_ce_issuingDistributionPoint);
  return {
    tbs: hex(list.tbsCertListRaw),
    version: tbs.version === undefined ? 1 : tbs.version + 1,
    signature: tbs.signature.algorithm,
    issuer: serialized(tbs.issuer),
    thisUpdate: tbs.thisUpdate.getTime().getTime(),
    nextUpdate: tbs.nextUpdate?.getTime().getTime(),
    entries: (tbs.revokedCertificates ?? []).map(theirEntry),
    extensions: (tbs.crlExtensions ?? []).map(extensionRow),
    number: number(asn1.id_ce_cRLNumber),
    base: number(asn1.id_ce_deltaCRLIndicator),
    keyIdentifier: aki && hex(AsnConvert.parse(aki, asn1.AuthorityKeyIdentifier).keyIdentifier?.buffer),
    idp: idp && theirPoint(idp),
    signatureValue: hex(list.signature),
  };
}

function theirPoint(octets: ArrayBuffer): readonly boolean[] {
  const idp = AsnConvert.parse(octets, asn1.IssuingDistributionPoint);
  return [
    idp.indirectCRL,
    idp.onlyContainsAttributeCerts,
    idp.onlyContainsCACerts,
    idp.onlyContainsUserCerts,
  ];
}

function theirEntry({
  userCertificate,
  revocationDate,
  crlEntryExtensions = [],
}: asn1.RevokedCertificate): unknown {
  const value = (oid: string): ArrayBuffer | undefined =>
    crlEntryExtensions.find(({ extnID }) => extnID === oid)?.extnValue.buffer;
  const reason = value(asn1.id_ce_cRLReasons);
  const invalidity = value(asn1.id_ce_invalidityDate);
  return [
    hex(userCertificate),
    revocationDate.getTime().getTime(),
    reason === undefined ? 'unspecified' : REASONS[AsnConvert.parse(reason, asn1.CRLReason).reason],
    invalidity && AsnConvert.parse(invalidity, asn1.InvalidityDate).value.getTime(),
  ];
}

function agreesOnList(der: Uint8Array): void {
  const parsed = parseCertificateList(der);
  expect(parsed).toMatchObject({ ok: true });
  if (parsed.ok) expect(ourList(parsed.value)).toEqual(theirList(der));
}

function ourAnswer(response: BasicOcspResponse) {
  const { responderId } = response;
  return {
    tbs: toHex(response.tbs),
    responder: responderId.kind === 'name' ? toHex(responderId.name.der) : toHex(responderId.keyHash),
    producedAt: response.producedAtMs,
    responses: response.responses.map(ourSingle),
    extensions: response.extensions.map(ourRow),
    signatureAlgorithm: response.signatureAlgorithm.oid,
    signatureValue: toHex(response.signatureValue),
    certificates: response.certificates.map(({ der }) => toHex(der)),
  };
}
function ourSingle({ certId, status, thisUpdateMs, nextUpdateMs, extensions }: SingleResponse): unknown {
  return {
    id: [
      certId.hashAlgorithm,
      toHex(certId.issuerNameHash),
      toHex(certId.issuerKeyHash),
      toHex(certId.serialNumber),
    ],
    status: status.kind === 'revoked' ? [status.atMs, status.reason] : status.kind,
    thisUpdate: thisUpdateMs,
    nextUpdate: nextUpdateMs,
    extensions: extensions.map(ourRow),
  };
}

function theirAnswer(der: Uint8Array) {
  const { responseBytes } = AsnConvert.parse(der, asn1Ocsp.OCSPResponse);
  if (responseBytes === undefined) throw new Error('no response');
  const basic = AsnConvert.parse(responseBytes.response.buffer, asn1Ocsp.BasicOCSPResponse);
  const { tbsResponseData: data } = basic;
  const { byName, byKey } = data.responderID;
  return {
    tbs: hex(basic.tbsResponseDataRaw),
    responder: byName === undefined ? hex(byKey?.buffer) : serialized(byName),
    producedAt: data.producedAt.getTime(),
    responses: data.responses.map(theirSingle),
    extensions: (data.responseExtensions ?? []).map(extensionRow),
    signatureAlgorithm: basic.signatureAlgorithm.algorithm,
    signatureValue: hex(basic.signature),
    certificates: (basic.certs ?? []).map(serialized),
  };
}
function theirSingle(single: asn1Ocsp.SingleResponse): unknown {
  const { certID: id, certStatus } = single;
  const { revoked } = certStatus;
  return {
    id: [
      id.hashAlgorithm.algorithm,
      hex(id.issuerNameHash.buffer),
      hex(id.issuerKeyHash.buffer),
      hex(id.serialNumber),
    ],
    status: revoked
      ? [revoked.revocationTime.getTime(), REASONS[revoked.revocationReason?.reason ?? 0]]
      : certStatus.good === undefined
        ? 'unknown'
        : 'good',
    thisUpdate: single.thisUpdate.getTime(),
    nextUpdate: single.nextUpdate?.getTime(),
    extensions: (single.singleExtensions ?? []).map(extensionRow),
  };
}

const lists = vectorFiles('pkits/crls');
/** A signature that is no whole octets, test 4.4.4. */
const NOT_OCTETS = 'BadCRLSignatureCACRL.crl';

describe.skipIf(lists === undefined)('CRLs of NIST PKITS', () => {
  const files = (lists ?? []).filter(([name]) => name !== NOT_OCTETS);
  it('are there', () => {
    expect(files.length).toBeGreaterThan(160);
  });
  it.each(files)('%s', (_name, der) => agreesOnList(der));
});

const instant = fc.integer({ min: 0, max: 2_400_000_000 }).map((seconds) => new Date(seconds * 1_000));
const reason = fc.constantFrom(...REASONS.filter((name) => name !== ''));
const row: fc.Arbitrary<RevokedInput> = fc.record(
  { serial: fc.bigInt({ min: -(2n ** 70n), max: 2n ** 159n }), at: instant, reason, invalidityDate: instant },
  { requiredKeys: ['serial', 'at'] },
);

describe('at random', () => {
  it('CRLs say the same', () => {
    const flags = fc.record({
      indirectCRL: fc.boolean(),
      onlyContainsUserCerts: fc.boolean(),
      onlyContainsCACerts: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(row, { maxLength: 8 }),
        instant,
        fc.bigInt({ min: 0n, max: 2n ** 150n }),
        flags,
        (revoked, at, crlNumber, set) => {
          const idp = issuingDistributionPoint({ fullName: [general.uri('u:')], ...set });
          agreesOnList(
            makeCrl({
              revoked,
              thisUpdate: at,
              nextUpdate: at,
              crlNumber,
              deltaOf: crlNumber / 2n,
              extensions: [idp],
            }),
          );
          agreesOnList(makeCrl({ version: null, nextUpdate: null, thisUpdate: at }));
        },
      ),
      { numRuns: 200 },
    );
  });
  it('OCSP answers say the same', () => {
    const status = fc.oneof(
      fc.constantFrom('good', 'unknown'),
      fc.record(
        { revokedAt: instant, reason: fc.constantFrom(0, 1, 4, 6, 8, 10) },
        { requiredKeys: ['revokedAt'] },
      ),
    );
    const single = fc.record(
      {
        certId: fc.constantFrom(idOf(leaf, ca), idOf(leaf, ca, 'sha256')),
        status: status as fc.Arbitrary<'good'>,
        thisUpdate: instant,
        nextUpdate: fc.option(instant),
        extensions: fc.constant([unknownExtension(false)]),
      },
      { requiredKeys: ['certId'] },
    );
    const input = fc.record(
      {
        responses: fc.array(single, { maxLength: 4 }),
        producedAt: instant,
        nonce: fc.uint8Array({ minLength: 1, maxLength: 128 }),
        responder: fc.constantFrom({ name: ca.subject }, { spki: ca.key.spki }),
        certificates: fc.constantFrom([], [ca.der], [ca.der, leaf.der]),
      },
      { requiredKeys: ['responses'] },
    );
    fc.assert(
      fc.property(input, (fields) => {
        const der = makeOcspResponse(fields);
        const parsed = parseOcspResponse(der);
        if (!parsed.ok || parsed.value.responseStatus !== 'successful') throw new Error('does not parse');
        expect(ourAnswer(parsed.value)).toEqual(theirAnswer(der));
      }),
      { numRuns: 200 },
    );
  });
  it('is a test that can fail', () => {
    const der = answerDer();
    const parsed = parseOcspResponse(der);
    if (!parsed.ok || parsed.value.responseStatus !== 'successful') throw new Error('does not parse');
    expect(ourAnswer({ ...parsed.value, producedAtMs: 0 })).not.toEqual(theirAnswer(der));
  });
});
