/** Trust domains: whose certificates, for whom, who is denied, what is revoked, and all of it changing while it is used. */
import { hash, X509Certificate } from 'node:crypto';
import { parseCertificate } from '@sallyport/x509';
import { createServer } from 'node:http';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '@sallyport/service/config';
import { certificatesConfig, type CertificatesConfig } from '../src/certificates-config.ts';
import type { Files } from '../src/clients/trust/files.ts';
import { liveTrust, type LiveTrust } from '../src/clients/trust/live-trust.ts';
import { fetchers, trustDomainSpecs } from '../src/clients/trust/specs.ts';
import {
  createAuthority,
  createCrl,
  createLeaf,
  DAY,
  KeyUsageFlags,
  NOW,
  spiffe,
  TRUST_DOMAIN,
  type Authority,
  type LeafOptions,
} from './pki.ts';
import { memoryLog } from '@sallyport/service/testing';

type Partner = CertificatesConfig['trustDomains'][number];
const PARTNER = 'partner.example';

let ours: Authority;
let theirs: Authority;
beforeAll(async () => {
  const caUsage = KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign;
  [ours, theirs] = await Promise.all([createAuthority({ caUsage }), createAuthority({ caUsage })]);
});

/** Files out of memory; writing counts up their version. */
function memoryFiles(contents: Record<string, string | Uint8Array>) {
  const versions = new Map<string, number>();
  const files: Files = {
    async read(path) {
      const content = contents[path];
      if (content === undefined) throw new TypeError(`${path}: no such file`);
      return typeof content === 'string' ? new TextEncoder().encode(content) : content;
    },
    async version(path) {
      if (contents[path] === undefined) throw new TypeError(`${path}: no such file`);
      return String(versions.get(path) ?? 0);
    },
  };
  return {
    files,
    write(path: string, content: string | Uint8Array) {
      contents[path] = content;
      versions.set(path, (versions.get(path) ?? 0) + 1);
    },
  };
}

const agents = {
  from: 'uri',
  pattern: `spiffe://${PARTNER}/agent/{name}`,
  principal: 'workload:partner.{name}',
} as const;
const partner = (change: Partial<Partner> = {}): Partner => ({
  name: PARTNER,
  anchorsFile: 'partner.pem',
  profile: 'mcp-client',
  identities: [agents],
  intermediatesFile: undefined,
  requiredUsages: [],
  denyListFile: undefined,
  revocation: undefined,
  unsafeAllowAnyPrincipal: false,
  ...change,
});
const revocation = (change: Partial<NonNullable<Partner['revocation']>> = {}) => ({
  mode: 'crl' as const,
  onUnknown: 'hard' as const,
  crlFiles: [],
  fetch: false,
  unsafeAllowPrivateHosts: [],
  ...change,
});

async function trusting(
  certificates: Partial<CertificatesConfig>,
  contents: Record<string, string | Uint8Array> = {},
) {
  const memory = memoryFiles({ 'own.pem': ours.pem, 'partner.pem': theirs.pem, ...contents });
  const unknown: string[] = [];
  const clock = { ms: 0 };
  const specs = trustDomainSpecs(
    { name: TRUST_DOMAIN, anchors: { file: 'own.pem' } },
    {
      intermediatesFile: undefined,
      requiredUsages: [],
      denyListFile: undefined,
      revocation: undefined,
      trustDomains: [],
      ...certificates,
    },
  );
  const trust = await liveTrust({
    specs,
    files: memory.files,
    fetcher: fetchers(specs, () => NOW),
    onUnknownStatus: (domain) => unknown.push(domain),
    monotonic: () => clock.ms,
    log: memoryLog(),
  });
  return { ...memory, trust, unknown, clock };
}

/** Looks twice: a file has to stand still in between. */
async function reloaded(trust: LiveTrust): Promise<void> {
  await trust.reload();
  await trust.reload();
}

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

async function judged(trust: LiveTrust, options: Omit<LeafOptions, 'issuer'> & { issuer?: Authority }) {
  const leaf = await createLeaf({ issuer: theirs, ...options });
  return verdictOf(trust, leaf.chainDer);
}

async function verdictOf(
  trust: LiveTrust,
  chainDer: readonly Uint8Array[],
  use: 'client' | 'gateway' = 'client',
) {
  const verdict = await trust.verifyChain(chainDer, use, NOW);
  return verdict.ok ? verdict.principal : verdict.cause;
}

const agent = `spiffe://${PARTNER}/agent/seven`;

describe("another's certificate", () => {
  it('is for whom the rule says', async () => {
    const { trust } = await trusting({ trustDomains: [partner()] });
    expect(await judged(trust, { uris: [agent] })).toBe('workload:partner.seven');
  });

  it('is nobody without the trust domain', async () => {
    const { trust } = await trusting({});
    expect(await judged(trust, { uris: [agent] })).toBe('certificate_untrusted');
  });

  it.each<[string, Omit<LeafOptions, 'issuer'>, string]>([
    ['with a name that no rule has', { uris: [`spiffe://${PARTNER}/robot/seven`] }, 'certificate_name'],
    // A foreign authority that writes our names is believed no more than any stranger.
    ['with a name of our trust domain', { uris: [spiffe('user/alice')] }, 'certificate_name'],
    ['for servers', { uris: [agent], usages: ['server'] }, 'certificate_usage'],
    ['that is over', { uris: [agent], notAfter: NOW - 1 }, 'certificate_expired'],
    ['with two names', { uris: [agent, `spiffe://${PARTNER}/agent/eight`] }, 'certificate_name'],
    ['by an address', { emails: [`bob@${PARTNER}`] }, 'certificate_name'],
  ])('%s is nobody', async (_, options, cause) => {
    const { trust } = await trusting({ trustDomains: [partner()] });
    expect(await judged(trust, options)).toBe(cause);
  });

  it.each<[string, Partner['identities'][number], Omit<LeafOptions, 'issuer'>, string]>([
    [
      'address',
      { from: 'email', pattern: `{name}@${PARTNER}`, principal: 'user:partner.{name}' },
      { emails: ['bob@PARTNER.example'] },
      'user:partner.bob',
    ],
    [
      'host name',
      { from: 'dns', pattern: `{name}.${PARTNER}`, principal: 'device:partner.{name}' },
      { dns: ['Seven.Partner.example'] },
      'device:partner.seven',
    ],
    [
      'common name',
      { from: 'commonName', pattern: 'Batch job', principal: 'workload:batch' },
      { subject: 'CN=Batch job' },
      'workload:batch',
    ],
  ])('may name by %s', async (_, rule, options, principal) => {
    const { trust } = await trusting({ trustDomains: [partner({ profile: 'rfc5280', identities: [rule] })] });
    expect(await judged(trust, options)).toBe(principal);
  });

  it.each([
    ['a mark in front', 'CN=\uFEFFBatch job'],
    ['a second one', 'CN=Batch job, CN=Somebody'],
    ['another case', 'CN=batch job'],
  ])('is nobody by a common name with %s', async (_, subject) => {
    const rule = { from: 'commonName', pattern: 'Batch job', principal: 'workload:batch' } as const;
    const { trust } = await trusting({ trustDomains: [partner({ profile: 'rfc5280', identities: [rule] })] });
    expect(await judged(trust, { subject })).toBe('certificate_name');
  });

  it('is never a gateway', async () => {
    const { trust } = await trusting({ trustDomains: [partner()] });
    const leaf = await createLeaf({ issuer: theirs, uris: [spiffe('svc/gateway')], usages: ['server'] });
    expect(await verdictOf(trust, leaf.chainDer, 'gateway')).toBe('certificate_untrusted');
  });

  it('needs the usages that are required of it', async () => {
    const requiredUsages = ['1.3.6.1.4.1.99999.1'];
    const { trust } = await trusting({ trustDomains: [partner({ requiredUsages })] });
    expect(await judged(trust, { uris: [agent] })).toBe('certificate_usage');
    expect(await judged(trust, { uris: [agent], moreUsages: requiredUsages })).toBe('workload:partner.seven');
  });

  it('may lean on intermediates of the configuration', async () => {
    const middle = await createAuthority({ issuer: theirs });
    const { trust } = await trusting(
      { trustDomains: [partner({ intermediatesFile: 'middle.pem' })] },
      { 'middle.pem': middle.pem },
    );
    expect(await judged(trust, { issuer: middle, uris: [agent] })).toBe('workload:partner.seven');
  });
});

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

describe('what changes', () => {
  it('counts from the next look on', async () => {
    const { trust, write } = await trusting({ trustDomains: [partner()] });
    const next = await createAuthority();
    const options = { issuer: next, uris: [agent] };
    expect(await judged(trust, options)).toBe('certificate_untrusted');
    write('partner.pem', next.pem);
    await reloaded(trust);
    expect(await judged(trust, options)).toBe('workload:partner.seven');
    expect(await judged(trust, { uris: [agent] })).toBe('certificate_untrusted');
  });

  it.each<[string, string | Uint8Array]>([
    ['empty', ''],
    ['cut off', '-----BEGIN CERTIFICATE-----\nMIIB'],
    ['noise', new Uint8Array([1, 2, 3])],
  ])('to a file that is %s changes nothing, and is told until it is mended', async (_, content) => {
    const { trust, write } = await trusting({ trustDomains: [partner()] });
    write('partner.pem', content);
    await reloaded(trust);
    expect(await judged(trust, { uris: [agent] })).toBe('workload:partner.seven');
    await expect(trust.check()).rejects.toThrow(/partner\.pem/u);
    write('partner.pem', theirs.pem);
    await reloaded(trust);
    await trust.check();
  });

  it('to a deny-list counts too', async () => {
    const { trust, write } = await trusting(
      { trustDomains: [partner({ denyListFile: 'denied' })] },
      { denied: '' },
    );
    const { chainDer } = await createLeaf({ issuer: theirs, uris: [agent] });
    expect(await verdictOf(trust, chainDer)).toBe('workload:partner.seven');
    write('denied', `certificate ${hash('sha256', chainDer[0] ?? new Uint8Array())}`);
    await reloaded(trust);
    expect(await verdictOf(trust, chainDer)).toBe('certificate_denied');
  });

  it('is not read while it may be half written', async () => {
    const { trust, write } = await trusting(
      { trustDomains: [partner({ denyListFile: 'denied' })] },
      { denied: '' },
    );
    const { chainDer } = await createLeaf({ issuer: theirs, uris: [agent] });
    const whole = `certificate ${hash('sha256', chainDer[0] ?? new Uint8Array())}\n`;
    write('denied', whole);
    await reloaded(trust);
    // An editor that writes in place: nothing, then all of it.
    write('denied', '');
    await trust.reload();
    expect(await verdictOf(trust, chainDer)).toBe('certificate_denied');
    write('denied', whole);
    await reloaded(trust);
    expect(await verdictOf(trust, chainDer)).toBe('certificate_denied');
    await trust.check();
  });

  it('all the time is told', async () => {
    const { trust, write } = await trusting({ denyListFile: 'denied' }, { denied: '' });
    for (let look = 0; look < 8; look += 1) {
      write('denied', `# ${look}`);
      await trust.reload();
    }
    await expect(trust.check()).rejects.toThrow(/changes all the time/u);
    await reloaded(trust);
    await trust.check();
  });

  it.each(['partner.pem', 'partner.crl'])('in a deny-list counts though %s is broken', async (broken) => {
    const { trust, write } = await trusting(
      {
        denyListFile: 'own denied',
        trustDomains: [
          partner({
            denyListFile: 'denied',
            revocation: revocation({ onUnknown: 'soft', crlFiles: ['partner.crl'] }),
          }),
        ],
      },
      { denied: '', 'own denied': '', 'partner.crl': await createCrl(theirs) },
    );
    const leaf = await createLeaf({ issuer: theirs, uris: [agent] });
    const own = await createLeaf({ issuer: ours, uris: [spiffe('user/alice')] });
    const line = ([der]: readonly Uint8Array[]) => `certificate ${hash('sha256', der ?? new Uint8Array())}`;
    write(broken, 'noise');
    write('denied', line(leaf.chainDer));
    write('own denied', line(own.chainDer));
    await reloaded(trust);
    expect(await verdictOf(trust, leaf.chainDer)).toBe('certificate_denied');
    expect(await verdictOf(trust, own.chainDer)).toBe('certificate_denied');
    await expect(trust.check()).rejects.toThrow(broken);
  });

  it('cannot be seen where a look never ends, and that is told', async () => {
    const { trust, files, clock } = await trusting({ denyListFile: 'denied' }, { denied: '' });
    files.version = () => new Promise(() => {});
    void trust.reload();
    await trust.check();
    clock.ms = 30_001;
    await expect(trust.check()).rejects.toThrow(/too long/u);
  });

  it('does not start with a file that is not there', async () => {
    await expect(trusting({ denyListFile: 'missing' })).rejects.toThrow(/missing/u);
  });
});

describe('a configuration', () => {
  const load = (certificates: unknown) =>
    loadConfig(certificatesConfig, { overrides: certificates as Record<string, unknown> });

  it('may be empty', () => expect(load({})).toMatchObject({ trustDomains: [], requiredUsages: [] }));

  it.each<[string, unknown, RegExp]>([
    ['usage that is no OID', { requiredUsages: ['clientAuth'] }, /requiredUsages/u],
    ['mode that is none', { revocation: { mode: 'maybe' } }, /mode/u],
    ['key that is unknown', { revocations: {} }, /revocations/u],
    ['trust domain without rules', { trustDomains: [{ name: PARTNER, anchorsFile: '/x' }] }, /identities/u],
  ])('with a %s is refused', (_, certificates, problem) => expect(() => load(certificates)).toThrow(problem));

  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trust-domains-'));
    await writeFile(join(folder, 'ca.pem'), theirs.pem);
  });
  afterAll(() => rm(folder, { recursive: true }));
  const domain = (name: string, principal: string, more = {}) => ({
    name,
    anchorsFile: join(folder, 'ca.pem'),
    identities: [{ from: 'dns', pattern: `{name}.${name}`, principal }],
    ...more,
  });
  it('in which two authorities could name one principal is refused, unless that is asked for', () => {
    const one = domain('one.example', 'device:acme.{name}');
    const two = domain('two.example', 'device:acme.eu.{name}');
    expect(() => load({ trustDomains: [one, two] })).toThrow(
      /one\.example .* and two\.example .* one principal/u,
    );
    expect(load({ trustDomains: [one, { ...two, unsafeAllowAnyPrincipal: true }] })).toBeDefined();
    expect(load({ trustDomains: [one, domain('two.example', 'device:other.{name}')] })).toBeDefined();
  });

  it('with the own trust domain among the others is refused', async () =>
    expect(trusting({ trustDomains: [partner({ name: TRUST_DOMAIN })] })).rejects.toThrow(
      /own trust domain/u,
    ));
});
