import { expect, test } from 'vitest';
import { onlineValidator, type OnlineOptions, type OnlineResult } from '../../src/fetch/index.ts';
import type { RevocationInput } from '../../src/index.ts';
import { anchorFrom, createValidator } from '../../src/index.ts';
import { writeElement, writeExplicit, writeInteger, writeOid, writeSequence } from '../support/der.ts';
import {
  AT,
  authorityInfoAccess,
  certId,
  cRLDistributionPoints,
  general,
  issue,
  makeCrl,
  makeOcspResponse,
  toPem,
  type Issued,
} from '../support/pki.ts';
import { fakeFetcher, type Respond } from './fake.ts';

const ISSUER = 'http://pki.example/ca.crt';
const CRL = 'http://pki.example/ca.crl';
const ROOT_CRL = 'http://pki.example/root.crl';
const OCSP = 'http://ocsp.example/';
const CA_ISSUERS = '1.3.6.1.5.5.7.48.2';
const OCSP_METHOD = '1.3.6.1.5.5.7.48.1';

const root = issue({ subject: 'root', ca: true });
const point = (url: string) => cRLDistributionPoints([{ fullName: [general.uri(url)] }]);
const ca = issue({ subject: 'ca', issuer: root, ca: true, extensions: [point(ROOT_CRL)] });
const leaf = issue({
  subject: 'leaf',
  issuer: ca,
  extensions: [
    authorityInfoAccess([
      [CA_ISSUERS, general.uri(ISSUER)],
      [OCSP_METHOD, general.uri(OCSP)],
    ]),
    point(CRL),
  ],
});
const rootCrl = makeCrl({ issuer: root.subject, signer: root.key, crlNumber: 1 });
const caCrl = makeCrl({ issuer: ca.subject, signer: ca.key, crlNumber: 1 });

function ocspOf(issuer: Issued, of: Issued, status: 'good' | { revokedAt: Date }): Respond {
  return ({ body = new Uint8Array() }) => {
    // The nonce is the last 32 octets of a request that has one.
    const hasNonce = body.length > 100;
    return makeOcspResponse({
      signer: issuer.key,
      responder: { name: issuer.subject },
      responses: [
        {
          certId: certId({
            issuerName: issuer.subject,
            issuerSpki: issuer.key.spki,
            serial: of.certificate.serialNumber,
          }),
          status,
        },
      ],
      ...(hasNonce ? { nonce: body.slice(-32) } : {}),
    });
  };
}

async function validate(
  contents: Parameters<typeof fakeFetcher>[0],
  revocation: RevocationInput = { mode: 'none' },
  given: { intermediates?: readonly Issued[]; options?: Partial<OnlineOptions> } = {},
): Promise<OnlineResult & { urls: string[] }> {
  const { fetcher, asked } = fakeFetcher(contents);
  const validator = createValidator({ anchors: [anchorFrom(root.certificate)] });
  const online = onlineValidator({ validator, fetcher, ...given.options });
  const intermediates = (given.intermediates ?? []).map(({ certificate }) => certificate);
  const answer = await online.validate(leaf.certificate, { at: AT, intermediates, revocation });
  return { ...answer, urls: asked.map(({ url }) => url) };
}

const cms = writeSequence(
  writeOid('1.2.840.113549.1.7.2'),
  writeExplicit(
    0,
    writeSequence(
      writeInteger(1),
      writeElement(0x31),
      writeSequence(writeOid('1.2.840.113549.1.7.1')),
      writeExplicit(0, root.der, ca.der),
      writeElement(0x31),
    ),
  ),
);

test.each([
  ['one certificate', ca.der],
  ['a certs-only message', cms],
  ['PEM', new Uint8Array(Buffer.from(toPem(ca.der)))],
])('a missing issuer is fetched: %s', async (_title, body) => {
  const { result, fetched } = await validate({ [ISSUER]: body });
  expect(result.valid).toBe(true);
  expect(fetched).toEqual([{ kind: 'certificate', url: ISSUER, problem: undefined }]);
});

test('a missing issuer is not asked for where that is not wanted', async () => {
  const { result, urls } = await validate(
    { [ISSUER]: ca.der },
    { mode: 'none' },
    { options: { fetchIssuers: false } },
  );
  expect(result.valid).toBe(false);
  expect(urls).toEqual([]);
});

test('nothing is asked when nothing is missing', async () => {
  const { result, urls } = await validate({}, { mode: 'none' }, { intermediates: [ca] });
  expect(result.valid).toBe(true);
  expect(urls).toEqual([]);
});

test.each([
  ['not there', undefined, 'unreachable'],
  ['noise', new Uint8Array([1, 2, 3]), 'malformed'],
  ['no issuer of it', issue({ subject: 'other', ca: true }).der, undefined],
])('what is fetched is %s: no path', async (_title, body, problem) => {
  const { result, fetched } = await validate(body === undefined ? {} : { [ISSUER]: body });
  expect(result).toMatchObject({ valid: false, failure: { reason: 'no_path' } });
  expect(fetched).toEqual([{ kind: 'certificate', url: ISSUER, problem }]);
});

test('lists are fetched for the whole path, issuers first', async () => {
  const { result, urls } = await validate(
    { [ISSUER]: ca.der, [CRL]: caCrl, [ROOT_CRL]: rootCrl },
    { mode: 'crl' },
  );
  expect(result).toMatchObject({ valid: true, revocation: [{ status: 'good' }, { status: 'good' }] });
  expect(urls[0]).toBe(ISSUER);
  expect(urls.slice(1).sort()).toEqual([CRL, ROOT_CRL]);
});

test('either: no list is asked for where OCSP answered', async () => {
  const { result, urls } = await validate(
    { [OCSP]: ocspOf(ca, leaf, 'good'), [ROOT_CRL]: rootCrl },
    { mode: 'either' },
    { intermediates: [ca] },
  );
  expect(result.valid).toBe(true);
  expect(urls).toEqual([OCSP, ROOT_CRL]);
});

test('either: the list is asked for where OCSP did not answer', async () => {
  const { result, urls } = await validate(
    { [CRL]: caCrl, [ROOT_CRL]: rootCrl },
    { mode: 'either' },
    { intermediates: [ca] },
  );
  expect(result.valid).toBe(true);
  expect(urls).toContain(CRL);
});

test('revoked by what was fetched', async () => {
  const { result } = await validate(
    { [OCSP]: ocspOf(ca, leaf, { revokedAt: new Date('2026-01-01T00:00:00Z') }), [ROOT_CRL]: rootCrl },
    { mode: 'either' },
    { intermediates: [ca] },
  );
  expect(result).toMatchObject({ valid: false, failure: { reason: 'revoked', certificate: 0 } });
});

test.each([
  ['hard', { valid: false, failure: { reason: 'revocation_unknown' } }],
  ['soft', { valid: true, revocation: [{ status: 'unknown' }, { status: 'unknown' }] }],
] as const)('nothing can be fetched, %s', async (onUnknown, expected) => {
  const { result } = await validate({}, { mode: 'either', onUnknown }, { intermediates: [ca] });
  expect(result).toMatchObject(expected);
});

test.each([
  ['whom nobody authorized', issue({ subject: 'ca', ca: true, key: 'P-384' }), [OCSP, CRL, ROOT_CRL]],
  ['that the authority gave', ca, []],
] as const)('an answer by somebody %s', async (_title, signer, discredited) => {
  const contents = { [OCSP]: ocspOf(signer, leaf, 'good'), [CRL]: rootCrl, [ROOT_CRL]: rootCrl };
  const { fetcher } = fakeFetcher(contents);
  const named: string[] = [];
  const online = onlineValidator({
    validator: createValidator({ anchors: [anchorFrom(root.certificate)] }),
    fetcher: { ...fetcher, discredit: ({ url }) => named.push(url) },
  });
  const { result } = await online.validate(leaf.certificate, {
    ...{ at: AT, intermediates: [ca.certificate], revocation: { mode: 'either' } },
  });
  expect(result.valid).toBe(discredited.length === 0);
  expect(named.toSorted()).toEqual(discredited);
});

test('what does not answer in time counts as unanswered, and nobody else is asked', async () => {
  const asked: string[] = [];
  const online = onlineValidator({
    validator: createValidator({ anchors: [anchorFrom(root.certificate)] }),
    timeoutMs: 100,
    fetcher: {
      fetch({ url }) {
        asked.push(url);
        return new Promise(() => {});
      },
    },
  });
  const { result, fetched } = await online.validate(leaf.certificate, {
    ...{ at: AT, intermediates: [ca.certificate], revocation: { mode: 'either' } },
  });
  expect(result).toMatchObject({ valid: false, failure: { reason: 'revocation_unknown' } });
  expect(fetched.map(({ problem }) => problem)).toEqual(asked.map(() => 'timeout'));
  expect(asked).toEqual([OCSP]);
});

test('a nonce is sent and demanded back', async () => {
  const demands = [
    { mode: 'ocsp', scope: 'leaf' },
    { intermediates: [ca], options: { ocspNonce: true } },
  ] as const;
  const echoed = await validate({ [OCSP]: ocspOf(ca, leaf, 'good') }, ...demands);
  expect(echoed.result.valid).toBe(true);
  const respond = ocspOf(ca, leaf, 'good');
  const replayed = await validate(
    { [OCSP]: (request) => respond({ ...request, body: new Uint8Array() }) },
    ...demands,
  );
  expect(replayed.result).toMatchObject({ valid: false, failure: { reason: 'revocation_unknown' } });
});

test('issuers that lead to issuers end with the requests allowed', async () => {
  const far = (index: number): string => `http://pki.example/${index}.crt`;
  // Each fetched certificate is an issuer by name that names a further location: a chain that a server makes up.
  const endless: Respond = ({ url }) => {
    const index = Number(/(\d+)\.crt$/u.exec(url)?.[1] ?? '0');
    return issue({
      subject: index === 0 ? 'ca' : `ca ${index}`,
      issuer: issue({ subject: `ca ${index + 1}`, ca: true }),
      ca: true,
      key: index === 0 ? ca.key : 'P-256',
      extensions: [authorityInfoAccess([[CA_ISSUERS, general.uri(far(index + 1))]])],
    }).der;
  };
  const contents = Object.fromEntries(
    [ISSUER, ...Array.from({ length: 40 }, (_, i) => far(i))].map((url) => [url, endless]),
  );
  const { result, urls } = await validate(contents, { mode: 'none' }, { options: { maxRequests: 5 } });
  expect(result.valid).toBe(false);
  expect(urls).toHaveLength(5);
});
