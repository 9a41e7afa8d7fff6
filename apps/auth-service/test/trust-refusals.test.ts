/** Who is refused by name: deny-lists and revocation, and when others are asked about it. */
import { hash, X509Certificate } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseCertificate } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import type { CertificatesConfig } from '../src/certificates-config.ts';
import {
  createAuthority,
  createCrl,
  createLeaf,
  DAY,
  NOW,
  spiffe,
  TRUST_DOMAIN,
  type LeafOptions,
} from './pki.ts';
import {
  agent,
  judged,
  ours,
  partner,
  reloaded,
  revocation,
  theirs,
  trusting,
  verdictOf,
  type Partner,
} from './trust-fixture.ts';

describe('a deny-list', () => {
  const leafOf = () => createLeaf({ issuer: theirs, uris: [agent] });
  const certificateLine = (der: Uint8Array = new Uint8Array()) => `certificate ${hash('sha256', der)}`;
  const keyLine = (der: Uint8Array = new Uint8Array()) => {
    const parsed = parseCertificate(der);
    if (!parsed.ok) throw new Error(parsed.failure.problem);
    return `key ${hash('sha256', parsed.value.subjectPublicKeyInfo.der)}`;
  };

  it.each<[string, (leaf: Uint8Array) => string]>([
    ['the certificate', (leaf) => certificateLine(leaf)],
    ['its key', (leaf) => keyLine(leaf)],
    ["its anchor's certificate", () => certificateLine(theirs.der)],
    ["its anchor's key", () => keyLine(theirs.der)],
  ])('of %s refuses', async (_, line) => {
    const { chainDer } = await leafOf();
    const { trust } = await trusting(
      { trustDomains: [partner({ denyListFile: 'denied' })] },
      { denied: line(chainDer[0] ?? new Uint8Array()) },
    );
    expect(await verdictOf(trust, chainDer)).toBe('certificate_denied');
    expect(await judged(trust, { uris: [agent] })).toMatch(/denied|partner\.seven/u);
  });

  it('has no second certificate with the other signature that anybody can make of the first', async () => {
    const { chainDer } = await leafOf();
    const twin = twinOf(chainDer[0] ?? new Uint8Array());
    const { trust, write } = await trusting(
      { trustDomains: [partner({ denyListFile: 'denied' })] },
      { denied: '' },
    );
    expect(await verdictOf(trust, [twin])).toBe('workload:partner.seven');
    write('denied', certificateLine(chainDer[0]));
    await reloaded(trust);
    expect(await verdictOf(trust, [twin])).toBe('certificate_denied');
    expect(await judged(trust, { uris: [agent] })).toBe('workload:partner.seven');
  });

  it('may name a certificate by its issuer and number', async () => {
    const { chainDer } = await leafOf();
    const { serialNumber } = new X509Certificate(chainDer[0] ?? new Uint8Array());
    const issuer = keyLine(theirs.der).replace('key ', '');
    const { trust } = await trusting(
      { trustDomains: [partner({ denyListFile: 'denied' })] },
      { denied: `serial ${issuer} ${serialNumber}\nserial ${'ab'.repeat(32)} 01` },
    );
    expect(await verdictOf(trust, chainDer)).toBe('certificate_denied');
    expect(await judged(trust, { uris: [agent] })).toBe('workload:partner.seven');
  });

  it.each([
    ['denied', { denyListFile: 'denied' }],
    ['revoked', { revocation: revocation({ crlFiles: ['own.crl'] }) }],
  ])(
    'or a list of the first trust domain counts where a second believes the same authority: %s',
    async (what, own) => {
      const leaf = await createLeaf({ issuer: ours, uris: [spiffe('user/alice')] });
      const [der = new Uint8Array()] = leaf.chainDer;
      const identities = [
        { from: 'uri' as const, pattern: spiffe('user/{name}'), principal: 'user:partner.{name}' },
      ];
      const { trust } = await trusting(
        { ...own, trustDomains: [partner({ anchorsFile: 'own.pem', identities })] },
        { denied: certificateLine(der), 'own.crl': await createCrl(ours, [der]) },
      );
      expect(await verdictOf(trust, leaf.chainDer)).toBe(`certificate_${what}`);
    },
  );

  it('of others lets pass', async () => {
    const { trust } = await trusting(
      { trustDomains: [partner({ denyListFile: 'denied' })] },
      { denied: certificateLine(new Uint8Array([1])) },
    );
    expect(await judged(trust, { uris: [agent] })).toBe('workload:partner.seven');
  });

  it('of the own trust domain refuses there', async () => {
    const leaf = await createLeaf({ issuer: ours, uris: [spiffe('user/alice')] });
    const denied = certificateLine(leaf.chainDer[0]);
    const { trust } = await trusting({ denyListFile: 'denied' }, { denied });
    expect(await verdictOf(trust, leaf.chainDer)).toBe('certificate_denied');
  });
});

describe('revocation', () => {
  const alice = () => createLeaf({ issuer: ours, uris: [spiffe('user/alice')] });

  it.each<[string, (der: Uint8Array) => Promise<Uint8Array>, string]>([
    ['names it', (der) => createCrl(ours, [der]), 'certificate_revoked'],
    ['does not name it', () => createCrl(ours), 'user:alice'],
    [
      'is over',
      () => createCrl(ours, [], { thisUpdate: NOW - 9 * DAY, nextUpdate: NOW - DAY }),
      'certificate_revocation_unknown',
    ],
    ["is another's", () => createCrl(theirs), 'certificate_revocation_unknown'],
  ])('by a list that %s', async (_, list, verdict) => {
    const { chainDer } = await alice();
    const { trust } = await trusting(
      { revocation: revocation({ crlFiles: ['own.crl'] }) },
      { 'own.crl': await list(chainDer[0] ?? new Uint8Array()) },
    );
    expect(await verdictOf(trust, chainDer)).toBe(verdict);
  });

  it('that cannot be found out is accepted where that is allowed, and counted', async () => {
    const { trust, unknown } = await trusting({ revocation: revocation({ onUnknown: 'soft' }) });
    expect(await verdictOf(trust, (await alice()).chainDer)).toBe('user:alice');
    expect(unknown).toEqual([TRUST_DOMAIN]);
  });

  it('asks nobody for a chain that no anchor vouches for', async () => {
    let asked = 0;
    const server = createServer((_request, response) => {
      asked += 1;
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      const { trust } = await trusting({
        revocation: revocation({ mode: 'either', fetch: true, unsafeAllowPrivateHosts: ['127.0.0.1'] }),
      });
      const locations = { caIssuers: `http://127.0.0.1:${port}/ca`, crl: `http://127.0.0.1:${port}/crl` };
      const stranger = await createAuthority();
      expect(await judged(trust, { issuer: stranger, uris: [spiffe('user/alice')], locations })).toBe(
        'certificate_untrusted',
      );
      expect(asked).toBe(0);
      expect(await judged(trust, { issuer: ours, uris: [spiffe('user/alice')], locations })).toBe(
        'certificate_revocation_unknown',
      );
      expect(asked).toBe(1);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

describe('asking others', () => {
  const asking = (change: Partial<NonNullable<Partner['revocation']>> = {}) =>
    revocation({ mode: 'either', fetch: true, unsafeAllowPrivateHosts: ['127.0.0.1'], ...change });

  /** A responder that never answers. */
  async function silent() {
    let asked = 0;
    const server = createServer(() => (asked += 1));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const origin = `http://127.0.0.1:${port}`;
    return {
      asked: () => asked,
      at: (path: string) => ({ caIssuers: `${origin}/ca`, crl: `${origin}/${path}` }),
      async [Symbol.asyncDispose]() {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  }

  it.each<[string, Partial<CertificatesConfig>, Omit<LeafOptions, 'issuer'>, string]>([
    ['denied', { denyListFile: 'denied' }, { uris: [spiffe('user/alice')] }, 'certificate_denied'],
    ['nobody', {}, { uris: [spiffe('svc/gateway')] }, 'certificate_kind'],
  ])('is not because of who is %s', async (_, own, options, cause) => {
    await using responder = await silent();
    const parsed = parseCertificate(ours.der);
    if (!parsed.ok) throw new Error(parsed.failure.problem);
    const { der } = parsed.value.subjectPublicKeyInfo;
    const { trust } = await trusting(
      { ...own, revocation: asking() },
      { denied: `key ${hash('sha256', der)}` },
    );
    expect(await judged(trust, { ...options, issuer: ours, locations: responder.at('crl') })).toBe(cause);
    expect(responder.asked()).toBe(0);
  });

  it('is not because of who only has a copy of a certificate', async () => {
    await using responder = await silent();
    const { trust } = await trusting({ revocation: asking() });
    const { chainDer } = await createLeaf({
      issuer: ours,
      uris: [spiffe('user/alice')],
      locations: responder.at('crl'),
    });
    const verdict = await trust.verifyChain(chainDer, 'client', NOW, () => 'no_proof' as const);
    expect(verdict).toEqual({ ok: false, cause: 'no_proof' });
    expect(responder.asked()).toBe(0);
  });

  it('ends before a gateway loses its patience, however many locations say nothing', async () => {
    await using responder = await silent();
    const middle = await createAuthority({ issuer: ours });
    const { trust } = await trusting({ revocation: asking({ mode: 'both' }) });
    const { chainDer } = await createLeaf({
      issuer: middle,
      uris: [spiffe('user/alice')],
      locations: responder.at('crl'),
      above: [middle.der],
    });
    const began = performance.now();
    expect(await verdictOf(trust, chainDer)).toBe('certificate_revocation_unknown');
    expect(performance.now() - began).toBeLessThan(3_500);
  });

  it('is for one certificate of many at once for some of them', async () => {
    await using responder = await silent();
    const { trust } = await trusting({ revocation: asking() });
    const { chainDer } = await createLeaf({
      ...{ issuer: ours, uris: [spiffe('user/alice')], locations: responder.at('crl') },
    });
    const count = new Map<string | undefined, number>();
    const show = async () => {
      const verdict = await verdictOf(trust, chainDer).catch(({ reason }: { reason: string }) => reason);
      count.set(verdict, (count.get(verdict) ?? 0) + 1);
    };
    await Promise.all(Array.from({ length: 3_000 }, show));
    expect(count).toEqual(
      new Map([
        ['unavailable', 1_976],
        ['certificate_revocation_unknown', 1_024],
      ]),
    );
    // None where judging all of them took longer than a request has.
    expect(responder.asked()).toBeLessThanOrEqual(1);
  });

  it('of more at once than there is room for is put off, soft or hard', async () => {
    await using responder = await silent();
    const { trust } = await trusting({ revocation: asking({ onUnknown: 'soft' }) });
    const shown = await Promise.all(
      Array.from({ length: 140 }, async (_, index) => {
        const leaf = await createLeaf({
          issuer: ours,
          uris: [spiffe('user/alice')],
          locations: responder.at(`${index}.crl`),
        });
        return leaf.chainDer;
      }),
    );
    const verdicts = await Promise.all(
      shown.map((chainDer) => verdictOf(trust, chainDer).catch(({ reason }: { reason: string }) => reason)),
    );
    expect(verdicts.filter((verdict) => verdict === 'unavailable')).toHaveLength(12);
    expect(verdicts.filter((verdict) => verdict === 'user:alice')).toHaveLength(128);
  });
});

/** The same certificate with the signature (r, n - s), which verifies as well (P-256). */
function twinOf(der: Uint8Array): Uint8Array {
  const parsed = parseCertificate(der);
  if (!parsed.ok) throw new Error(parsed.failure.problem);
  const { tbs, signatureAlgorithm, signatureValue } = parsed.value;
  const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const sAt = 4 + (signatureValue[3] ?? 0);
  const s = BigInt(`0x${Buffer.from(signatureValue.subarray(sAt + 2)).toString('hex')}`);
  const hex = (n - s).toString(16);
  const octets = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
  const element = (tag: number, ...content: Uint8Array[]) => {
    const inside = Buffer.concat(content);
    const { length } = inside;
    const size =
      length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
    return Buffer.concat([Uint8Array.from([tag, ...size]), inside]);
  };
  const sign = (octets[0] ?? 0) < 0x80 ? [] : [Uint8Array.of(0)];
  const value = element(0x30, signatureValue.subarray(2, sAt), element(0x02, ...sign, octets));
  return element(0x30, tbs, signatureAlgorithm.der, element(0x03, Uint8Array.of(0), value));
}
