/**
 * Cases of BoringSSL's `pki/testdata/ocsp_unittest` (Chromium's `net/data/ocsp_unittest`), built anew. Ids are the suite's.
 * As there, the CA is trusted itself, answers are four days old, most without nextUpdate, and a week is young enough.
 */
import { parseOcspResponse } from '../../src/revocation/ocsp/parse.ts';
import {
  writeElement,
  writeExplicit,
  writeInteger,
  writeOctetString,
  writeOid,
  writeSequence,
} from '../support/der.ts';
import {
  AT,
  OID,
  certId,
  extension,
  makeKey,
  makeOcspResponse,
  type Issued,
  type OcspInput,
  type SingleInput,
} from '../support/pki.ts';
import { intermediate, leaf, root, type Input } from './hierarchy.ts';
import { suite, type Built, type Row } from './verdict.ts';

const DAY_MS = 86_400_000;
const days = (count: number): Date => new Date(AT.getTime() + count * DAY_MS);
const U = 'revocation_unknown';
const revokedAt = days(-30);

const ca = root({ subject: 'Test Intermediate CA', notBefore: days(-60), notAfter: days(300) });
const target = leaf(ca, { notBefore: days(-60), notAfter: days(300) });
const other = leaf(ca, { serial: 4_711 });
const signerFields: Input = { subject: 'Test OCSP Signer', eku: [OID.OCSPSigning], san: null };
const delegate = leaf(ca, signerFields);
const namesake = root({ subject: 'Test Intermediate CA' });

const idOf = ({ certificate }: Issued, by: Issued = ca): Uint8Array =>
  certId({ issuerName: by.subject, issuerSpki: by.key.spki, serial: certificate.serialNumber });
const single = (input: Partial<SingleInput> = {}): SingleInput => ({
  certId: idOf(target),
  thisUpdate: days(-4),
  nextUpdate: null,
  ...input,
});
const answer = (input: OcspInput = {}): Uint8Array =>
  makeOcspResponse({
    signer: ca.key,
    responder: { name: ca.subject },
    producedAt: days(-3),
    responses: [single()],
    ...input,
  });
const by = (signer: Issued, input: OcspInput = {}): OcspInput => ({
  signer: signer.key,
  responder: { name: signer.subject },
  certificates: [signer.der],
  ...input,
});

/** An answer that does not parse is not there. */
function asked(der: Uint8Array): Built {
  const parsed = parseOcspResponse(der);
  const ocsp = parsed.ok ? [parsed.value] : [];
  return {
    anchors: [ca],
    leaf: target,
    revocation: { mode: 'ocsp', ocsp, maxAgeMs: 7 * DAY_MS, clockSkewMs: 0 },
  };
}

const row = (id: string, expected: string, input: OcspInput): Row => [
  id,
  expected,
  () => asked(answer(input)),
];
const one = (id: string, expected: string, input: Partial<SingleInput>): Row =>
  row(id, expected, { responses: [single(input)] });
const raw = (id: string, der: () => Uint8Array): Row => [id, U, () => asked(der())];
const unknown = (critical: boolean): Uint8Array => extension('1.2.3.4', Uint8Array.of(0xde, 0xad), critical);
const withStatus = (status: Uint8Array): OcspInput => ({
  responses: [writeSequence(idOf(target), status, timeOf(days(-4)))],
});
const timeOf = (date: Date): Uint8Array =>
  writeElement(0x18, Buffer.from(`${date.toISOString().replaceAll(/[-:T]|\..*/gu, '')}Z`));

suite('BoringSSL ocsp_unittest', [
  row('good_response_sha256', 'valid', {}),
  one('good_response_next_update', 'valid', { nextUpdate: days(90) }),
  row('no_response', U, { responses: [] }),
  row('missing_response', U, { responses: [] }),
  row('malformed_request', U, { responseStatus: 1 }),
  row('bad_status', U, { responseStatus: 17 }),
  raw('bad_ocsp_type', () =>
    writeSequence(
      writeInteger(0, 0x0a),
      writeExplicit(0, writeSequence(writeOid('1.3.6.1.5.5.7.48.1.2'), writeOctetString(answer()))),
    ),
  ),
  row('bad_signature', U, { signatureValue: Uint8Array.of(0xde, 0xad, 0xbe, 0xef) }),
  row('ocsp_sign_direct', 'valid', { certificates: [] }),
  row('ocsp_sign_indirect', 'valid', by(delegate)),
  row('ocsp_sign_indirect_missing', U, by(delegate, { certificates: [] })),
  row('ocsp_sign_bad_indirect', U, by(leaf(ca, { ...signerFields, eku: null }))),
  row(
    'ocsp_sign_bad_indirect_critical_extension',
    U,
    by(leaf(ca, { ...signerFields, more: [unknown(true)] })),
  ),
  row('ocsp_sign_bad_indirect_wrong_issuer', U, by(leaf(namesake, signerFields))),
  row('ocsp_sign_bad_indirect_expired', U, by(leaf(ca, { ...signerFields, notAfter: days(-1) }))),
  row('ocsp_extra_certs', 'valid', { certificates: [ca.der, delegate.der] }),
  row('has_version', 'valid', { mapFields: (fields) => [writeExplicit(0, writeInteger(0)), ...fields] }),
  row('responder_name', 'valid', { responder: { name: ca.subject } }),
  row('responder_id', 'valid', { responder: { spki: ca.key.spki } }),
  row('has_extension', 'valid', { extensions: [unknown(false)] }),
  one('revoke_response', 'revoked', { status: { revokedAt } }),
  one('revoke_response_reason', 'revoked', { status: { revokedAt, reason: 1 } }),
  one('unknown_response', U, { status: 'unknown' }),
  row('multiple_response', U, { responses: [single(), single({ status: 'unknown' })] }),
  row('multiple_response_good_revoked', 'revoked', {
    responses: [single(), single({ status: { revokedAt } })],
  }),
  row('other_response', U, {
    responses: [single({ certId: idOf(other) }), single({ certId: idOf(other), status: { revokedAt } })],
  }),
  one('has_single_extension', 'valid', { extensions: [unknown(false)] }),
  one('has_critical_single_extension', U, { extensions: [unknown(true)] }),
  row('has_critical_response_extension', U, { extensions: [unknown(true)] }),
  one('stale_response', U, { thisUpdate: days(-2), nextUpdate: days(-1) }),
  one('future_response', U, { thisUpdate: days(1) }),
  one('old_response', U, { thisUpdate: days(-8) }),
  row('produced_early_response', U, { producedAt: days(-61) }),
  row('produced_late_response', U, { producedAt: days(301) }),
  raw('invalid_response', () => Buffer.from('invalid')),
  row('invalid_response_data', U, { mapFields: () => [writeOctetString(Buffer.from('invalid'))] }),
  row('good_response_invalid_status', U, withStatus(writeElement(0x80, Uint8Array.of(0)))),
  row('revoke_response_invalid_status', U, withStatus(writeElement(0xa1, Uint8Array.of(5, 0)))),
  row('unknown_response_invalid_status', U, withStatus(writeElement(0x82, Uint8Array.of(0)))),
]);

// SHA-1 is refused in any signature, and SCTs are nothing that this package understands: RFC 6960 section 4.4.
suite('BoringSSL ocsp_unittest, accepted there', [
  row('good_response', U, { scheme: 'ecdsa-sha1' }),
  one('has_critical_ct_extension', U, {
    extensions: [extension('1.3.6.1.4.1.11129.2.4.5', Uint8Array.of(4, 0), true)],
  }),
]);

const tampered = (der: Uint8Array): Uint8Array => {
  const copy = Uint8Array.from(der);
  const last = copy.length - 1;
  copy[last] = (copy[last] ?? 0) ^ 1;
  return copy;
};
const sub = intermediate(ca, { subject: 'sub' });

/** mozilla::pkix `pkixocsp_VerifyEncodedOCSPResponse_tests`, what the other suite does not have. */
suite('mozilla::pkix OCSP', [
  row(
    'good_byKey_missing_signer',
    U,
    by(delegate, { responder: { spki: delegate.key.spki }, certificates: [] }),
  ),
  row('good_indirect_byKey', 'valid', by(delegate, { responder: { spki: delegate.key.spki } })),
  row('good_indirect_future', U, by(leaf(ca, { ...signerFields, notBefore: days(1) }))),
  row('good_indirect_wrong_eku', U, by(leaf(ca, { ...signerFields, eku: [OID.serverAuth] }))),
  row('good_indirect_any_eku', U, by(leaf(ca, { ...signerFields, eku: [OID.anyExtendedKeyUsage] }))),
  row('good_indirect_tampered_eku', U, by(delegate, { certificates: [tampered(delegate.der)] })),
  row('good_indirect_unknown_issuer', U, by(leaf(root({ subject: 'nobody' }), signerFields))),
  row(
    'good_indirect_subca_1_first',
    U,
    by(leaf(sub, signerFields), { certificates: [leaf(sub, signerFields).der, sub.der] }),
  ),
  row('good_indirect_self_signed', U, by(root({ ...signerFields, key: makeKey('P-256', 'self') }))),
  row('unauthorized', U, { responseStatus: 6 }),
  row('the leaf answers for itself', U, by(target)),
]);
