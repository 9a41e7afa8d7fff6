import { describe, expect, it } from 'vitest';
import {
  extension,
  issue,
  makeKey,
  NEXT_UPDATE,
  NOT_AFTER,
  NOT_BEFORE,
  OID,
  THIS_UPDATE,
  AT,
} from '../support/pki.ts';
import {
  after,
  answer,
  ask,
  before,
  ca,
  DAY_MS,
  idOf,
  leaf,
  list,
  root,
  serialOf,
  unknownExtension,
  verdict,
  type AnswerInput,
  type Question,
  type Row,
} from '../support/revocation.ts';

/** The CA's own answer from the root, so that only the leaf is in question. */
const caAnswer = answer({ of: ca, by: root });
const question = (inputs: readonly AnswerInput[], more: Question = {}): Question => ({
  mode: 'ocsp',
  ocsp: [caAnswer, ...inputs.map(answer)],
  ...more,
});
const one = (what: string, input: AnswerInput, expected: string, more: Question = {}): Row => [
  what,
  question([input], more),
  expected,
];
const leafOnly: Question = { scope: 'leaf' };
const revokedAt = new Date('2026-05-01T00:00:00Z');
const revoked = { revokedAt, reason: 1 };
const twin = issue({ subject: 'ca', issuer: root, ca: true, key: makeKey('P-256', 'twin') });

const ANSWERS: readonly Row[] = [
  ['no answer at all', question([]), 'unknown: '],
  one('good', {}, 'good'),
  one('revoked', { status: revoked }, 'revoked keyCompromise'),
  one('revoked, without a reason', { status: { revokedAt } }, 'revoked unspecified'),
  one('on hold', { status: { revokedAt, reason: 6 } }, 'revoked certificateHold'),
  one('unknown', { status: 'unknown' }, 'unknown: the responder does not know it'),
  one('tryLater', { responseStatus: 3 }, 'unknown: an answer that says tryLater'),
  one('unauthorized', { responseStatus: 6 }, 'unknown: an answer that says unauthorized'),
  ['good and revoked', question([{}, { status: revoked }]), 'revoked keyCompromise'],
  [
    'good, and a newer "unknown"',
    question([{}, { status: 'unknown', thisUpdate: after(THIS_UPDATE, 1_000) }]),
    'unknown: the responder does not know it',
  ],
  [
    '"unknown", and a newer good',
    question([{ status: 'unknown' }, { thisUpdate: after(THIS_UPDATE, 1_000) }]),
    'good',
  ],
  [
    '"unknown" and good of one time',
    question([{}, { status: 'unknown' }]),
    'unknown: the responder does not know it',
  ],
  [
    'an old revocation and a new good',
    question([{ status: revoked, thisUpdate: before(THIS_UPDATE, DAY_MS) }, {}]),
    'revoked keyCompromise',
  ],
];

const singles = (...rows: readonly NonNullable<AnswerInput['responses']>[number][]): AnswerInput => ({
  responses: rows,
});

const CERT_IDS: readonly Row[] = [
  one('SHA-256', { hash: 'sha256' }, 'good'),
  one('SHA-384', { hash: 'sha384' }, 'good'),
  one('SHA-512', { hash: 'sha512' }, 'good'),
  one('another serial number', { of: issue({ subject: 'leaf', issuer: ca }) }, 'unknown: '),
  one(
    'another name of the issuer',
    singles({ certId: idOf(leaf, { ...ca, subject: root.subject }) }),
    'unknown: ',
  ),
  one('another key of the issuer', singles({ certId: idOf(leaf, { ...ca, key: root.key }) }), 'unknown: '),
  one('the issuer by one name and another key', { by: twin, signer: ca.key }, 'unknown: '),
  one(
    'one of several',
    singles({ certId: idOf(ca, root), status: revoked }, { certId: idOf(leaf, ca) }),
    'good',
  ),
  one(
    'twice, once revoked',
    singles({ certId: idOf(leaf, ca) }, { certId: idOf(leaf, ca, 'sha256'), status: revoked }),
    'revoked keyCompromise',
  ),
];

const PRODUCED_OUTSIDE = 'unknown: produced outside of the validity of the certificate';
const TIMES: readonly Row[] = [
  one('at thisUpdate', {}, 'good', { at: THIS_UPDATE }),
  one('five minutes before thisUpdate', {}, 'good', { at: before(THIS_UPDATE, 300_000) }),
  one(
    'thisUpdate in the future',
    { producedAt: before(THIS_UPDATE, DAY_MS) },
    'unknown: thisUpdate in the future',
    { ...leafOnly, at: before(THIS_UPDATE, 301_000) },
  ),
  one(
    'thisUpdate in the future, without a skew',
    { producedAt: before(THIS_UPDATE, DAY_MS) },
    'unknown: thisUpdate in the future',
    { ...leafOnly, at: before(THIS_UPDATE, 1_000), clockSkewMs: 0 },
  ),
  one('producedAt in the future', { producedAt: after(AT, DAY_MS) }, 'good'),
  one('producedAt at notBefore', { producedAt: NOT_BEFORE }, 'good'),
  one('producedAt a minute before notBefore', { producedAt: before(NOT_BEFORE, 60_000) }, 'good'),
  one('producedAt a day before notBefore', { producedAt: before(NOT_BEFORE, DAY_MS) }, PRODUCED_OUTSIDE),
  one('producedAt at notAfter', { producedAt: NOT_AFTER }, 'good'),
  one('producedAt behind notAfter', { producedAt: after(NOT_AFTER, 1_000) }, PRODUCED_OUTSIDE),
  one('a second before nextUpdate', {}, 'good', { at: before(NEXT_UPDATE, 1_000) }),
  one('at nextUpdate', {}, 'unknown: nextUpdate has passed', { ...leafOnly, at: NEXT_UPDATE }),
  one('a second behind nextUpdate', {}, 'unknown: nextUpdate has passed', {
    ...leafOnly,
    at: after(NEXT_UPDATE, 1_000),
  }),
  one('a revocation behind nextUpdate', { status: revoked }, 'unknown: nextUpdate has passed', {
    ...leafOnly,
    at: after(NEXT_UPDATE, 1_000),
  }),
  one('no nextUpdate, a day old', { nextUpdate: null }, 'good'),
  one(
    'no nextUpdate, older than a day',
    { nextUpdate: null, thisUpdate: before(THIS_UPDATE, 1_000) },
    'unknown: too old, without nextUpdate',
  ),
  one(
    'no nextUpdate, older than is asked for',
    { nextUpdate: null },
    'unknown: too old, without nextUpdate',
    { maxAgeMs: DAY_MS - 1 },
  ),
];

const nonce = new Uint8Array(32).fill(7);
const EXTENSIONS: readonly Row[] = [
  one('the nonce that was sent', { nonce }, 'good', { ...leafOnly, ocspNonce: nonce }),
  one('another nonce', { nonce: new Uint8Array(32) }, 'unknown: another nonce than was sent', {
    ...leafOnly,
    ocspNonce: nonce,
  }),
  one('a shorter nonce', { nonce: nonce.subarray(1) }, 'unknown: another nonce than was sent', {
    ...leafOnly,
    ocspNonce: nonce,
  }),
  one('no nonce where one was sent', {}, 'unknown: no nonce, and one was sent', {
    ...leafOnly,
    ocspNonce: nonce,
  }),
  one('a nonce where none was sent', { nonce }, 'good'),
  one(
    'an unknown critical extension',
    { extensions: [unknownExtension(true)] },
    'unknown: the critical extension 1.3.6.1.4.1.55738.666.1',
  ),
  one('an unknown extension', { extensions: [unknownExtension(false)] }, 'good'),
  one(
    'an unknown critical extension of the single response',
    { singleExtensions: [unknownExtension(true)] },
    'unknown: the critical extension 1.3.6.1.4.1.55738.666.1',
  ),
  one('an unknown extension of the single response', { singleExtensions: [unknownExtension(false)] }, 'good'),
];

const noCheck = extension('1.3.6.1.5.5.7.48.1.5', Uint8Array.of(5, 0));
const responder = (label: string, input: Parameters<typeof issue>[0] = {}): ReturnType<typeof issue> =>
  issue({
    subject: 'responder',
    issuer: ca,
    key: makeKey('P-256', label),
    extendedKeyUsage: [OID.OCSPSigning],
    ...input,
  });
const delegate = responder('delegate');
const unchecked = responder('unchecked', { extensions: [noCheck] });
const by = (signer: ReturnType<typeof issue>, input: AnswerInput = {}): AnswerInput => ({
  signer: signer.key,
  responder: { name: signer.subject },
  certificates: [signer.der],
  ...input,
});
const refused = (what: string, why: string, label: Parameters<typeof issue>[0]): Row =>
  one(what, by(responder(what, label)), `unknown: ${why}`);
const validPath = expect.stringMatching(/^unknown: a responder without a valid path/u) as unknown as string;

const SIGNERS: readonly Row[] = [
  one('the issuer, by name', {}, 'good'),
  one('the issuer, by key', { responder: { spki: ca.key.spki } }, 'good'),
  one('another name', { responder: { name: root.subject } }, 'unknown: a responder that is not known'),
  one('another key', { responder: { spki: root.key.spki } }, 'unknown: a responder that is not known'),
  one('a broken signature', { signer: root.key }, 'unknown: its signature: the signature does not verify'),
  one(
    'a broken signature under "revoked"',
    { signer: root.key, status: revoked },
    'unknown: its signature: the signature does not verify',
  ),
  one('a delegate, by name', by(delegate), 'good'),
  one('a delegate, by key', by(delegate, { responder: { spki: delegate.key.spki } }), 'good'),
  one(
    'a delegate under the name of another',
    by(delegate, { responder: { name: root.subject } }),
    'unknown: a responder that is not known',
  ),
  one(
    'a delegate under the key of another',
    by(delegate, { responder: { spki: root.key.spki } }),
    'unknown: a responder that is not known',
  ),
  one('a delegate that revokes', by(delegate, { status: revoked }), 'revoked keyCompromise'),
  one(
    'a delegate that is not sent along',
    by(delegate, { certificates: [] }),
    'unknown: a responder that is not known',
  ),
  one('a delegate among the intermediates', by(delegate, { certificates: [] }), 'good', {
    intermediates: [delegate],
  }),
  one('a delegate behind others', by(delegate, { certificates: [ca.der, leaf.der, delegate.der] }), 'good'),
  one(
    'a delegate behind a certificate that is none',
    by(delegate, { certificates: [Uint8Array.of(0x30, 0), delegate.der] }),
    'good',
  ),
  one(
    'a delegate whose key did not sign',
    by(delegate, { signer: root.key }),
    'unknown: its signature: the signature does not verify',
  ),
  refused('a delegate without OCSPSigning', 'a responder without id-kp-OCSPSigning', {
    extendedKeyUsage: [OID.serverAuth],
  }),
  refused('a delegate for any purpose', 'a responder without id-kp-OCSPSigning', {
    extendedKeyUsage: [OID.anyExtendedKeyUsage],
  }),
  one(
    'a delegate without extended usages',
    by(issue({ subject: 'responder', issuer: ca, key: makeKey('P-256', 'no usages') })),
    'unknown: a responder without id-kp-OCSPSigning',
  ),
  refused(
    'a delegate without digitalSignature',
    'a responder without the key usage digitalSignature or nonRepudiation',
    { usages: ['keyEncipherment'] },
  ),
  one(
    'a delegate of nonRepudiation',
    by(responder('non-repudiation', { usages: ['nonRepudiation'] })),
    'good',
  ),
  one('a delegate without key usage', by(responder('no key usage', { usages: [] })), 'good'),
  refused('a delegate of the root', 'a responder with another issuer than the certificate', { issuer: root }),
  refused(
    'a delegate of the same name with another key',
    'a responder that the key of the issuer did not sign',
    { issuer: twin },
  ),
  one('a delegate that has expired', by(responder('expired', { notAfter: THIS_UPDATE })), validPath),
  one('a delegate that is not valid yet', by(responder('early', { notBefore: NEXT_UPDATE })), validPath),
  one(
    'a delegate with an unknown critical extension',
    by(responder('critical', { extensions: [unknownExtension(true)] })),
    validPath,
  ),
  one('the certificate itself as responder', by(leaf), 'unknown: a responder without id-kp-OCSPSigning'),
];

const signerStatus = (input: Question): unknown => {
  const result = ask(input);
  return result.valid && result.revocation[0]?.sources.map((source) => source.signerStatus);
};

describe.each([
  ['answers', ANSWERS],
  ['CertID (section 4.1.1)', CERT_IDS],
  ['times (section 4.2.2.1)', TIMES],
  ['extensions (section 4.4)', EXTENSIONS],
  ['responders (section 4.2.2.2)', SIGNERS],
])('OCSP: %s', (_title, rows) => {
  it.each(rows)('%s', (_what, input, expected) => {
    expect(verdict(input)).toEqual(expected);
  });
});

describe('OCSP: the status of a responder (section 4.2.2.2.1)', () => {
  it('is not asked for the issuer', () => {
    expect(signerStatus(question([{}]))).toEqual([undefined]);
  });
  it('is not asked where the certificate has nocheck', () => {
    const crls = [list(ca, { revoked: [serialOf(unchecked)] })];
    expect(signerStatus(question([by(unchecked)], { crls }))).toEqual(['no_check']);
  });
  it('is accepted and said where nothing is known', () => {
    expect(signerStatus(question([by(delegate)]))).toEqual(['unknown']);
  });
  it('is good by a CRL', () => {
    expect(signerStatus(question([by(delegate)], { crls: [list(ca)] }))).toEqual(['good']);
  });
  it('is good by an answer of the issuer', () => {
    expect(signerStatus(question([by(delegate), { of: delegate }]))).toEqual(['good']);
  });
  it('is revoked by a CRL', () => {
    const crls = [list(ca, { revoked: [serialOf(delegate)] })];
    expect(verdict(question([by(delegate)], { crls }))).toBe('unknown: a responder that is revoked');
  });
  it('is revoked by an answer of the issuer', () => {
    const about = [by(delegate), { of: delegate, status: revoked }];
    expect(verdict(question(about))).toBe('unknown: a responder that is revoked');
  });
  it('is not what it says of itself', () => {
    expect(signerStatus(question([by(delegate), by(delegate, { of: delegate })]))).toEqual(['unknown']);
  });
});

describe('OCSP: what the result says', () => {
  it('names who answered and how old the answer is', () => {
    const result = ask(question([by(delegate)]));
    expect(result.valid && result.revocation[0]).toEqual({
      certificate: 0,
      status: 'good',
      sources: [
        {
          kind: 'ocsp',
          issuer: 'CN=responder',
          thisUpdateMs: THIS_UPDATE.getTime(),
          nextUpdateMs: NEXT_UPDATE.getTime(),
          ageMs: DAY_MS,
          signerStatus: 'unknown',
        },
      ],
      unused: [],
    });
  });
  it('gives time and reason of a revocation', () => {
    const result = ask(question([{ status: revoked }]));
    expect(result.valid ? undefined : result.candidates[0]?.revocation[0]).toMatchObject({
      status: 'revoked',
      revokedAtMs: revokedAt.getTime(),
      revocationReason: 'keyCompromise',
    });
  });
});
