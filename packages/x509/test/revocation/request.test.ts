import { describe, expect, it } from 'vitest';
import { encodeOcspRequest } from '../../src/revocation/ocsp/request.ts';
import { issue, makeKey } from '../support/pki.ts';
import { ca, idOf, leaf } from '../support/revocation.ts';

const { certificate } = leaf;
const issuer = ca.certificate;

describe('encodeOcspRequest', () => {
  it.each(['sha1', 'sha256', 'sha384', 'sha512'] as const)('names the certificate by %s', (hash) => {
    const request = encodeOcspRequest({ certificate, issuer, hash });
    const id = idOf(leaf, ca, hash);
    expect(Buffer.from(request).subarray(-id.length)).toEqual(Buffer.from(id));
  });
  it('takes SHA-1 unless told, as RFC 5019 section 2.1.1 has it', () => {
    expect(encodeOcspRequest({ certificate, issuer })).toEqual(
      encodeOcspRequest({ certificate, issuer, hash: 'sha1' }),
    );
  });
  it('puts the nonce last', () => {
    const request = encodeOcspRequest({ certificate, issuer, nonce: Uint8Array.of(1, 2, 3) });
    expect(Buffer.from(request).toString('hex')).toMatch(
      /a2163014301206092b060105050730010204050403010203$/u,
    );
  });
  it.each([0, 129])('throws for a nonce of %i octets', (length) => {
    const nonce = new Uint8Array(length);
    expect(() => encodeOcspRequest({ certificate, issuer, nonce })).toThrow(RangeError);
  });
  it('writes a serial number as it stands', () => {
    const negative = issue({ subject: 'negative', issuer: ca, serial: -2, key: makeKey() });
    const request = encodeOcspRequest({ certificate: negative.certificate, issuer });
    expect(Buffer.from(request).toString('hex')).toMatch(/0201fe$/u);
  });
});
