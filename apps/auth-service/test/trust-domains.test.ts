/** Trust domains: whose certificates, and for whom. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '@sallyport/service/config';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { certificatesConfig } from '../src/certificates-config.ts';
import { createAuthority, createLeaf, NOW, spiffe, TRUST_DOMAIN, type LeafOptions } from './pki.ts';
import {
  agent,
  judged,
  partner,
  PARTNER,
  theirs,
  trusting,
  verdictOf,
  type Partner,
} from './trust-fixture.ts';

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
