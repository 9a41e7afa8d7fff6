/** Every certificate of a client and of a gateway that may not be accepted. */
import { createGatewayIdentity } from '@sallyport/channel';
import { ED25519, randomBytes } from '@sallyport/crypto';
import { manualClock } from '@sallyport/service/clock';
import { describe, expect, it } from 'vitest';
import {
  createAuthority,
  createLeaf,
  DAY,
  KeyUsageFlags,
  NOW,
  spiffe,
  type Leaf,
  type LeafOptions,
} from './pki.ts';
import { useRig } from './rig.ts';
import { certificateOf, GATEWAY, gatewayOf, pskOf, shake, testApp } from './support.ts';

const rig = useRig();
const { judge, prove, newPsk, byCertificate, refusedFor } = rig;

describe('a client certificate', () => {
  const leaf = (options: Partial<LeafOptions>) => async () =>
    createLeaf({ issuer: rig.pki.authority, uris: [spiffe('user/alice')], ...options });
  const chained = (change: (chain: readonly Uint8Array[]) => readonly Uint8Array[]) => async () => ({
    ...rig.pki.alice,
    chainDer: change(rig.pki.alice.chainDer),
  });
  const first = (chain: readonly Uint8Array[]) => chain[0] ?? new Uint8Array(0);
  const below = async (
    authority: Parameters<typeof createAuthority>[0],
    options: Partial<LeafOptions> = {},
  ) => {
    const middle = await createAuthority({ issuer: rig.pki.authority, ...authority });
    return createLeaf({ issuer: middle, uris: [spiffe('user/alice')], above: [middle.der], ...options });
  };

  const bad: readonly (readonly [string, () => Promise<Leaf>, string])[] = [
    ['for servers', leaf({ usages: ['server'] }), 'certificate_usage'],
    ['for nothing in particular', leaf({ usages: [] }), 'certificate_usage'],
    ['that is over', leaf({ notAfter: NOW - 1000 }), 'certificate_expired'],
    ['that begins later', leaf({ notBefore: NOW + 1000 }), 'certificate_not_yet_valid'],
    ['of an authority', leaf({ isCa: true }), 'certificate_is_ca'],
    ['without a name', leaf({ uris: [] }), 'certificate_name'],
    ['with a DNS name only', leaf({ uris: [], dns: ['alice'] }), 'certificate_name'],
    ['with two names', leaf({ uris: [spiffe('user/alice'), spiffe('user/bob')] }), 'certificate_name'],
    [
      'with a name and a URL',
      leaf({ uris: [spiffe('user/alice'), 'https://alice.test'] }),
      'certificate_name',
    ],
    ['with a URL', leaf({ uris: ['https://sallyport.test/user/alice'] }), 'certificate_name'],
    ['named as the trust domain', leaf({ uris: ['spiffe://sallyport.test'] }), 'certificate_name'],
    ['with a path below its name', leaf({ uris: [spiffe('user/alice/admin')] }), 'certificate_name'],
    [
      'of another trust domain',
      leaf({ uris: [spiffe('user/alice', 'other.test')] }),
      'certificate_trust_domain',
    ],
    ['of a service', leaf({ uris: [spiffe('svc/gateway')] }), 'certificate_kind'],
    ['of a service that is none', leaf({ uris: [spiffe('svc/alice')] }), 'certificate_kind'],
    ['signed by itself', leaf({ isSelfSigned: true }), 'certificate_untrusted'],
    [
      'of another authority',
      async () => createLeaf({ issuer: await createAuthority(), uris: [spiffe('user/alice')] }),
      'certificate_untrusted',
    ],
    [
      'of an authority with the name of ours',
      async () =>
        createLeaf({
          issuer: await createAuthority({ name: rig.pki.authority.name }),
          uris: [spiffe('user/alice')],
        }),
      'certificate_untrusted',
    ],
    ['below an authority that is none', () => below({ isCa: false }), 'certificate_issuer'],
    ['below one that may not sign', () => below({ caUsage: KeyUsageFlags.cRLSign }), 'certificate_issuer'],
    ['below one that is over', () => below({ notAfter: NOW - 1000 }), 'certificate_expired'],
    ['without its intermediate', () => below({}, { above: [] }), 'certificate_untrusted'],
    [
      'below another certificate than the one sent',
      async () => below({}, { above: [(await createAuthority({ issuer: rig.pki.authority })).der] }),
      'certificate_untrusted',
    ],
    ['behind its issuer', chained((chain) => [rig.pki.authority.der, ...chain]), 'certificate_is_ca'],
    ['twice', chained((chain) => [...chain, ...chain]), 'certificate_issuer'],
    ['of an anchor alone', chained(() => [rig.pki.authority.der]), 'certificate_is_ca'],
    [
      'with a byte behind it',
      chained((chain) => [Uint8Array.of(...first(chain), 0)]),
      'certificate_unreadable',
    ],
    ['that is noise', chained(() => [randomBytes(500)]), 'certificate_unreadable'],
    [
      'as PEM',
      chained((chain) => [
        Buffer.from(
          `-----BEGIN CERTIFICATE-----\n${Buffer.from(first(chain)).toString('base64')}\n-----END CERTIFICATE-----\n`,
        ),
      ]),
      'certificate_unreadable',
    ],
  ];

  it.each(bad)('%s is refused', async (_, make, cause) => {
    expect(await refusedFor(judge((await byCertificate(await make())).raw))).toBe(cause);
    expect(rig.app.recorded).toEqual([]);
    expect(rig.app.keys.calls).toEqual([]);
  });

  it('whose key did not sign is refused', async () => {
    const other = ED25519.generate().privateKey;
    expect(await refusedFor(judge((await byCertificate({ ...rig.pki.alice, key: other })).raw))).toBe(
      'credential_signature',
    );
  });
});

describe('a gateway', () => {
  const shaken = (gateway: Awaited<ReturnType<typeof gatewayOf>>, gatewayNow = NOW) =>
    shake({ credential: certificateOf(rig.pki.alice), gateway, gatewayNow });

  const bad: readonly (readonly [string, () => ReturnType<typeof gatewayOf>, string])[] = [
    ['of another authority', async () => gatewayOf(await createAuthority()), 'gateway_certificate_untrusted'],
    [
      'that is a principal',
      () => gatewayOf(rig.pki.authority, { uris: [spiffe('user/alice')] }),
      'gateway_certificate_kind',
    ],
    [
      'that is another service',
      () => gatewayOf(rig.pki.authority, { uris: [spiffe('svc/audit-service')] }),
      'gateway_other',
    ],
    [
      'of another trust domain',
      () => gatewayOf(rig.pki.authority, { uris: [spiffe('svc/gateway', 'other.test')] }),
      'gateway_certificate_trust_domain',
    ],
    [
      'with a certificate for clients',
      () => gatewayOf(rig.pki.authority, { usages: ['client'] }),
      'gateway_certificate_usage',
    ],
    [
      'with a certificate that is over',
      () => gatewayOf(rig.pki.authority, { notAfter: NOW - 1000 }),
      'gateway_certificate_expired',
    ],
    [
      'whose certificate did not vouch for its key',
      async () =>
        createGatewayIdentity({
          chainDer: rig.pki.gateway.chainDer,
          trustDomain: 'sallyport.test',
          certificateKey: ED25519.generate().privateKey,
          notAfterMs: NOW + DAY,
        }),
      'gateway_delegation',
    ],
  ];

  it.each(bad)('%s gets nothing', async (_, make, cause) => {
    const gateway = await make();
    // The client of these tests believes any gateway that holds its key; one whose delegation is forged it does not.
    if (cause !== 'gateway_delegation') {
      expect(await refusedFor(judge((await shaken(gateway)).raw))).toBe(cause);
    }
    const psk = await newPsk();
    rig.app.keys.calls.length = 0;
    const refused = shake({ credential: pskOf(psk), gateway, provePsk: prove });
    expect(await refusedFor(refused)).toBe(cause);
    expect(rig.app.keys.calls).toEqual([]);
  });

  it('whose delegation is over gets nothing', async () => {
    const gateway = await gatewayOf(rig.pki.authority, { delegatedUntil: NOW });
    const { raw } = await shaken(gateway);
    rig.app.clock.advance(1000);
    expect(await refusedFor(judge(raw))).toBe('gateway_delegation');
  });

  it('that calls with the handshake of another gets nothing', async () => {
    const { raw } = await byCertificate();
    expect(await refusedFor(judge(raw, spiffe('svc/key-service')))).toBe('gateway_other');
  });

  it.each([
    ['long ago', -30_001],
    ['in the future', 30_001],
  ])('whose handshake was %s gets nothing', async (_, offset) => {
    expect(await refusedFor(judge((await shaken(rig.pki.gateway, NOW + offset)).raw))).toBe('hello_time');
    expect(
      await refusedFor(
        shake({
          credential: pskOf(await newPsk()),
          gateway: rig.pki.gateway,
          provePsk: prove,
          gatewayNow: NOW + offset,
        }),
      ),
    ).toBe('hello_time');
  });

  it('may have a clock that is a little off', async () => {
    expect((await judge((await shaken(rig.pki.gateway, NOW - 30_000)).raw)).binding.length).toBeGreaterThan(
      0,
    );
  });
});

describe('a certificate that ends while others are asked about it', () => {
  it.each([
    [1_000, 'certificate_expired'],
    [999, undefined],
  ])('%d ms later', async (tookMs, cause) => {
    const clock = manualClock(NOW);
    const app = testApp(rig.pki.authority.pem, {
      clock,
      afterVerdict(use) {
        if (use === 'client') clock.advance(tookMs);
      },
    });
    const alice = await createLeaf({
      ...{ issuer: rig.pki.authority, uris: [spiffe('user/alice')], notAfter: NOW + 1_000 },
    });
    const { raw } = await byCertificate(alice);
    const judged = app.auth.authenticateHandshake({ raw, gateway: GATEWAY, sourceAddress: '192.0.2.7' });
    await judged.catch(() => undefined);
    expect(app.causes.at(-1)).toBe(cause);
  });
});
