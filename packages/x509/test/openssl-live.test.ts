/** OpenSSL is the CA, the CRL issuer and the OCSP responder; what it makes is judged as it says itself. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anchorFrom } from '../src/build/anchors.ts';
import { parseCertificates } from '../src/certificate/pem.ts';
import type { Certificate } from '../src/certificate/types.ts';
import type { RevocationInput } from '../src/input.ts';
import { parseCertificateList } from '../src/revocation/crl/parse.ts';
import type { CertificateList } from '../src/revocation/crl/types.ts';
import { parseOcspResponse } from '../src/revocation/ocsp/parse.ts';
import { encodeOcspRequest, type OcspRequestOptions } from '../src/revocation/ocsp/request.ts';
import type { OcspResponse } from '../src/revocation/ocsp/types.ts';
import { createValidator } from '../src/validate.ts';
import { createAuthority, opensslSuite, P256, RSA, type Authority } from './support/openssl.ts';

const suite = opensslSuite();

describe.skipIf(suite.skip).each([
  ['P-256', P256],
  ['RSA', RSA],
] as const)(suite.title('OpenSSL as authority, %s'), (_title, algorithm) => {
  let authority: Authority;
  let leaf: Certificate;
  beforeAll(() => {
    authority = createAuthority(algorithm);
    authority.issue('leaf');
    authority.issue('other');
    authority.issue('responder', 'responder');
    leaf = certificate('leaf');
  }, 60_000);
  afterAll(() => authority[Symbol.dispose]());

  const certificate = (name: string): Certificate => {
    const parsed = parseCertificates(authority.read(`${name}.pem`));
    if (!parsed.ok || parsed.value[0] === undefined) throw new Error(`${name}.pem has no certificate`);
    return parsed.value[0];
  };
  const crl = (der: Uint8Array): CertificateList => {
    const parsed = parseCertificateList(der);
    if (!parsed.ok) throw new Error(parsed.failure.problem);
    return parsed.value;
  };
  const ocsp = (der: Uint8Array): OcspResponse => {
    const parsed = parseOcspResponse(der);
    if (!parsed.ok) throw new Error(parsed.failure.problem);
    return parsed.value;
  };
  const status = (revocation: RevocationInput, of: Certificate = leaf): string => {
    const validator = createValidator({ anchors: [anchorFrom(certificate('root'))] });
    const result = validator.validate(of, { at: new Date(), revocation });
    const { revocation: reports } = result.valid ? result : (result.candidates[0] ?? { revocation: [] });
    return `${reports[0]?.status} ${reports[0]?.revocationReason ?? ''}`.trim();
  };
  const byLists = (...crls: readonly CertificateList[]): string => status({ mode: 'crl', crls });
  /** What the responder of `args` says about the leaf, without a network. */
  const offline = (args: readonly string[], request?: OcspRequestOptions): OcspResponse => {
    authority.write(
      'request.der',
      encodeOcspRequest(request ?? { certificate: leaf, issuer: certificate('root') }),
    );
    const files = [
      '-index',
      'index.txt',
      '-CA',
      'root.pem',
      '-reqin',
      'request.der',
      '-respout',
      'response.der',
    ];
    authority.openssl('ocsp', ...files, '-ndays', '1', '-noverify', ...args);
    return ocsp(authority.read('response.der'));
  };
  const ISSUER = ['-rsigner', 'root.pem', '-rkey', 'root.key'];
  const DELEGATE = ['-rsigner', 'responder.pem', '-rkey', 'responder.key'];

  it('writes the request that OpenSSL writes, bit by bit', () => {
    const issuer = certificate('root');
    const options = ['-issuer', 'root.pem', '-cert', 'leaf.pem', '-reqout', 'theirs.der'];
    for (const hash of ['sha1', 'sha256', 'sha384', 'sha512'] as const) {
      authority.openssl('ocsp', `-${hash}`, ...options, '-no_nonce');
      expect(Buffer.from(encodeOcspRequest({ certificate: leaf, issuer, hash }))).toEqual(
        authority.read('theirs.der'),
      );
    }
    authority.openssl('ocsp', ...options, '-nonce');
    const theirs = authority.read('theirs.der');
    const length = theirs.at(theirs.lastIndexOf(Buffer.from('06092b0601050507300102', 'hex')) + 14) ?? 0;
    const nonce = new Uint8Array(theirs.subarray(-length));
    expect(Buffer.from(encodeOcspRequest({ certificate: leaf, issuer, nonce }))).toEqual(theirs);
  });
  it('takes its lists', () => {
    expect(byLists(crl(authority.list()))).toBe('good');
    expect(byLists(crl(authority.list('users')))).toBe('good');
    expect(byLists(crl(authority.list('cas')))).toBe('unknown');
    const old = crl(authority.oldList());
    expect(old.version).toBe(1);
    expect(byLists(old)).toBe('good');
    expect(byLists(crl(authority.list('delta')))).toBe('unknown');
  });
  it.each([
    ['the issuer', ISSUER],
    ['the issuer by its key', [...ISSUER, '-resp_key_id']],
    ['a delegate', DELEGATE],
    ['a delegate by its key', [...DELEGATE, '-resp_key_id']],
    ['a delegate with SHA-384', [...DELEGATE, '-rmd', 'sha384']],
  ])('takes the answers of %s', (_what, args) => {
    expect(status({ mode: 'ocsp', ocsp: [offline(args)] })).toBe('good');
  });
  it('refuses the answers of others', () => {
    const leafSigns = ['-rsigner', 'leaf.pem', '-rkey', 'leaf.key'];
    expect(status({ mode: 'ocsp', ocsp: [offline(leafSigns)] })).toBe('unknown');
    expect(status({ mode: 'ocsp', ocsp: [offline([...ISSUER, '-badsig'])] })).toBe('unknown');
    expect(status({ mode: 'ocsp', ocsp: [offline([...DELEGATE, '-resp_no_certs'])] })).toBe('unknown');
    const other = { certificate: certificate('other'), issuer: certificate('root') };
    expect(status({ mode: 'ocsp', ocsp: [offline(ISSUER, other)] })).toBe('unknown');
  });
  it('asks a live responder, with a nonce', async () => {
    using responder = await authority.respond(4, ...DELEGATE, '-ndays', '1');
    const nonce = new Uint8Array(32).fill(9);
    const body = encodeOcspRequest({ certificate: leaf, issuer: certificate('root'), nonce });
    const headers = { 'content-type': 'application/ocsp-request' };
    const answer = await fetch(responder.url, { method: 'POST', body: Buffer.from(body), headers });
    const response = ocsp(new Uint8Array(await answer.arrayBuffer()));
    expect(status({ mode: 'ocsp', ocsp: [response], ocspNonce: nonce })).toBe('good');
    expect(status({ mode: 'ocsp', ocsp: [response], ocspNonce: nonce.with(0, 1) })).toBe('unknown');
  });
  it('sees a revocation', () => {
    const before = crl(authority.list());
    const revoked = certificate('other');
    authority.revoke('other', 'keyCompromise');
    const after = crl(authority.list());
    expect(status({ mode: 'crl', crls: [before] }, revoked)).toBe('good');
    expect(status({ mode: 'crl', crls: [before, after] }, revoked)).toBe('revoked keyCompromise');
    expect(byLists(after)).toBe('good');
    const about = offline(DELEGATE, { certificate: revoked, issuer: certificate('root') });
    expect(status({ mode: 'ocsp', ocsp: [about] }, revoked)).toBe('revoked keyCompromise');
    expect(status({ mode: 'either', crls: [before], ocsp: [about] }, revoked)).toBe('revoked keyCompromise');
  });
  it('sees a hold, and in a delta that it has ended', () => {
    authority.issue('held');
    const of = certificate('held');
    const before = crl(authority.list());
    authority.revoke('held', 'certificateHold');
    const held = crl(authority.list('delta'));
    const base = crl(authority.list());
    expect(held.deltaCRLIndicator).toBe(1n);
    expect(status({ mode: 'crl', crls: [before, held] }, of)).toBe('revoked certificateHold');
    expect(status({ mode: 'crl', crls: [base] }, of)).toBe('revoked certificateHold');
    const index = authority.read('index.txt').toString();
    authority.write('index.txt', Buffer.from(index.replace('certificateHold', 'removeFromCRL')));
    const released = crl(authority.list('delta'));
    expect(status({ mode: 'crl', crls: [base, released] }, of)).toBe('good');
    expect(status({ mode: 'crl', crls: [base, held, released] }, of)).toBe('good');
  });
});
