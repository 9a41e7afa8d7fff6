import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { parseOcspResponse } from '../../src/revocation/ocsp/parse.ts';
import {
  generalizedTime,
  time,
  toHex,
  utf8String,
  writeElement,
  writeExplicit,
  writeInteger,
  writeOctetString,
  writeOid,
  writeSequence,
} from '../support/der.ts';
import { extension, THIS_UPDATE } from '../support/pki.ts';
import { answerDer, ca, idOf, leaf, type AnswerInput } from '../support/revocation.ts';

const ENUMERATED = 0x0a;
const NONCE = '1.3.6.1.5.5.7.48.1.2';
const id = idOf(leaf, ca);
const good = writeElement(0x80);
const at = generalizedTime(THIS_UPDATE);
const single = (...parts: readonly Uint8Array[]): AnswerInput => ({ responses: [writeSequence(...parts)] });
const data = (index: number, ...elements: readonly Uint8Array[]): AnswerInput => ({
  mapFields: (fields) => fields.toSpliced(index, 1, ...elements),
});
const outer = (...parts: readonly Uint8Array[]): Uint8Array => writeSequence(...parts);
const status = (number: number): Uint8Array => writeInteger(number, ENUMERATED);
const basic = (oid: string, octets: Uint8Array): Uint8Array =>
  outer(status(0), writeExplicit(0, writeSequence(writeOid(oid), writeOctetString(octets))));

const REFUSED: readonly (readonly [what: string, input: AnswerInput | Uint8Array, problem: string])[] = [
  ['a status that is not used', outer(status(4)), 'no status has this number'],
  ['a status beyond the last', outer(status(7)), 'no status has this number'],
  ['a negative status', outer(status(-1)), 'a negative INTEGER'],
  ['success without a response', outer(status(0)), '[0] is missing'],
  [
    'tryLater with a response',
    outer(status(3), writeExplicit(0, writeSequence())),
    'octets after the last element',
  ],
  [
    'a response of another type',
    basic('1.3.6.1.5.5.7.48.1.3', new Uint8Array(0)),
    'not a basic OCSP response',
  ],
  ['an empty response', basic('1.3.6.1.5.5.7.48.1.1', new Uint8Array(0)), 'SEQUENCE is missing'],
  [
    'something behind the response',
    basic('1.3.6.1.5.5.7.48.1.1', Uint8Array.of(...basicOf(answerDer()), 0)),
    'octets after the last element',
  ],
  [
    'version 2',
    { mapFields: (fields) => [writeExplicit(0, writeInteger(1)), ...fields] },
    'a version that no response has',
  ],
  ['no responder', data(0), '[2] expected, not GeneralizedTime'],
  ['a responder of another kind', data(0, writeExplicit(3, writeSequence())), '[2] expected, not [3]'],
  ['producedAt in UTCTime', data(1, time(THIS_UPDATE)), 'GeneralizedTime expected, not UTCTime'],
  [
    'producedAt with a fraction',
    data(1, writeElement(0x18, new TextEncoder().encode('20260531000000.5Z'))),
    'a GeneralizedTime is YYYYMMDDHHMMSSZ',
  ],
  ['a single response without a status', single(id, at), '[2] expected, not GeneralizedTime'],
  [
    'a status that is good and more',
    single(id, writeElement(0x80, Uint8Array.of(0)), at),
    'a NULL with octets',
  ],
  ['a status that is none of three', single(id, writeElement(0x83), at), '[2] expected, not [3]'],
  ['revoked without a time', single(id, writeExplicit(1), at), 'GeneralizedTime is missing'],
  [
    'revoked for reason 7',
    single(id, writeExplicit(1, at, writeExplicit(0, status(7))), at),
    'no CRLReason has this number',
  ],
  ['no thisUpdate', single(id, good), 'GeneralizedTime is missing'],
  [
    'nextUpdate twice',
    single(id, good, at, writeExplicit(0, at), writeExplicit(0, at)),
    '[1] expected, not [0]',
  ],
  [
    'a CertID whose hash is text',
    single(writeSequence(utf8String('x')), good, at),
    'SEQUENCE expected, not UTF8String',
  ],
  [
    'empty extensions',
    { mapFields: (fields) => [...fields, writeExplicit(1, writeSequence())] },
    'Extensions without an extension',
  ],
  [
    'an extension twice',
    { nonce: Uint8Array.of(1), extensions: [extension(NONCE, writeOctetString(Uint8Array.of(1)))] },
    `the extension ${NONCE} is there twice`,
  ],
  ['an empty nonce', { nonce: new Uint8Array(0) }, 'a nonce has 1 to 128 octets'],
  ['a nonce of 129 octets', { nonce: new Uint8Array(129) }, 'a nonce has 1 to 128 octets'],
  [
    'a nonce that is no OCTET STRING',
    { extensions: [extension(NONCE, Uint8Array.of(1, 2, 3))] },
    'OCTET STRING expected, not BOOLEAN',
  ],
];

/** BasicOCSPResponse, behind five headers of a response below 64 KiB. */
function basicOf(der: Uint8Array): Uint8Array {
  const hex = toHex(der);
  const type = hex.indexOf('06092b0601050507300101') / 2 + 11; // the octet string behind the type
  const lengthOctets = (der[type + 1] ?? 0) & 0x7f;
  return der.subarray(type + 2 + lengthOctets);
}

describe('parseOcspResponse', () => {
  it.each(REFUSED)('refuses %s', (_what, input, problem) => {
    const parsed = parseOcspResponse(input instanceof Uint8Array ? input : answerDer(input));
    expect(parsed.ok ? 'parsed' : parsed.failure.problem).toBe(problem);
  });
  it('refuses more octets than the limit', () => {
    const der = answerDer();
    expect(parseOcspResponse(der, { ...DEFAULT_LIMITS, ocspBytes: der.length }).ok).toBe(true);
    expect(parseOcspResponse(der, { ...DEFAULT_LIMITS, ocspBytes: der.length - 1 }).ok).toBe(false);
  });
  it('takes a nonce of 128 octets', () => {
    const parsed = parseOcspResponse(answerDer({ nonce: new Uint8Array(128) }));
    expect(parsed).toMatchObject({ ok: true, value: { nonce: new Uint8Array(128) } });
  });
  it('takes version 1, said', () => {
    const version = writeExplicit(0, writeInteger(0));
    expect(parseOcspResponse(answerDer({ mapFields: (fields) => [version, ...fields] })).ok).toBe(true);
  });
  it.each([
    [1, 'malformedRequest'],
    [2, 'internalError'],
    [3, 'tryLater'],
    [5, 'sigRequired'],
    [6, 'unauthorized'],
  ])('reads status %i as %s', (number, responseStatus) => {
    expect(parseOcspResponse(outer(status(number)))).toEqual({ ok: true, value: { responseStatus } });
  });
});
