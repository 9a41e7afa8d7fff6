import { X509Certificate } from 'node:crypto';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { manualClock } from '@sallyport/service/clock';
import { createDevelopmentCa, issue } from '@sallyport/service/identity';
import { describe, expect, test } from 'vitest';
import { CommandFailed } from '../exit.ts';
import { temporaryHome } from '../../test/support/temporary-home.ts';
import type { Home } from './home.ts';
import {
  DEVELOPMENT_PRINCIPALS,
  DEVELOPMENT_TRUST_DOMAIN,
  ensureIdentities,
  readIdentity,
} from './identities.ts';

const DAY_MS = 24 * 60 * 60_000;
const certOf = (home: Home, name: string): Promise<string> => readFile(home.identityFiles(name).cert, 'utf8');

test('a first start makes the root, every service, the channel identity and the principals', async () => {
  await using home = await temporaryHome();
  const made = await ensureIdentities(home, manualClock());
  expect(made.created).toBe(true);
  const root = new X509Certificate(await readFile(home.caFile, 'utf8'));
  const { services, gatewayChannel } = made;
  expect(Object.values(services).map(({ spiffeId }) => spiffeId)).toEqual(
    Object.keys(services).map((name) => `spiffe://${DEVELOPMENT_TRUST_DOMAIN}/svc/${name}`),
  );
  expect(gatewayChannel.key.asymmetricKeyType).toBe('ed25519');
  for (const { name, principal } of DEVELOPMENT_PRINCIPALS) {
    const identity = await readIdentity(home.identityFiles(name));
    expect(identity?.spiffeId).toBe(`spiffe://${DEVELOPMENT_TRUST_DOMAIN}/${principal.replace(':', '/')}`);
    expect(new X509Certificate(identity?.certPem ?? '').verify(root.publicKey)).toBe(true);
    expect((await stat(home.identityFiles(name).key)).mode & 0o777).toBe(0o600);
  }
  expect((await stat(home.caKeyFile)).mode & 0o777).toBe(0o600);
});

test('a second start changes nothing', async () => {
  await using home = await temporaryHome();
  const clock = manualClock();
  const first = await ensureIdentities(home, clock);
  const second = await ensureIdentities(home, clock);
  expect(second.created).toBe(false);
  expect(second.services['gateway'].certPem).toBe(first.services['gateway'].certPem);
  expect(second.trust.caPem).toBe(first.trust.caPem);
});

describe('issued anew', () => {
  const renewalAt: readonly [string, number, boolean][] = [
    ['not before two thirds of its life', 59 * DAY_MS, false],
    ['after two thirds of its life', 61 * DAY_MS, true],
    ['after its end', 91 * DAY_MS, true],
    ['when the clock was set back before its beginning', -2 * DAY_MS, true],
  ];
  test.each(renewalAt)('%s', async (_, shiftMs, isRenewed) => {
    await using home = await temporaryHome();
    const clock = manualClock();
    await ensureIdentities(home, clock);
    const before = await certOf(home, 'alice');
    clock.setNow(clock.now() + shiftMs);
    await ensureIdentities(home, clock);
    expect((await certOf(home, 'alice')) !== before).toBe(isRenewed);
  });

  const damages: readonly [string, (home: Home) => Promise<unknown>][] = [
    [
      'after a crash between key and certificate',
      async (home) => {
        // The key is written first: a crash leaves a new key beside the old certificate.
        const other = await readFile(home.identityFiles('guest').key);
        await writeFile(home.identityFiles('alice').key, other);
      },
    ],
    ['when only the key is there', (home) => rm(home.identityFiles('alice').cert)],
    ['when only the certificate is there', (home) => rm(home.identityFiles('alice').key)],
    ['when the certificate is noise', (home) => writeFile(home.identityFiles('alice').cert, 'noise')],
    ['when the key is cut short', (home) => writeFile(home.identityFiles('alice').key, '-----BEGIN')],
    [
      'when another authority issued it',
      async (home) => {
        const clock = manualClock();
        const foreign = await createDevelopmentCa({ trustDomain: DEVELOPMENT_TRUST_DOMAIN, clock });
        const leaf = await issue({
          ca: foreign,
          clock,
          spiffeId: `spiffe://${DEVELOPMENT_TRUST_DOMAIN}/user/alice`,
          keyAlgorithm: 'Ed25519',
          usages: ['client'],
        });
        await writeFile(home.identityFiles('alice').cert, leaf.certPem);
        await writeFile(home.identityFiles('alice').key, leaf.keyPem);
      },
    ],
  ];
  test.each(damages)('%s', async (_, damage) => {
    await using home = await temporaryHome();
    const clock = manualClock();
    await ensureIdentities(home, clock);
    const [alice, guest] = [await certOf(home, 'alice'), await certOf(home, 'guest')];
    await damage(home);
    const { trust } = await ensureIdentities(home, clock);
    const mended = await readIdentity(home.identityFiles('alice'));
    expect(mended?.spiffeId).toBe(`spiffe://${DEVELOPMENT_TRUST_DOMAIN}/user/alice`);
    expect(mended?.certPem).not.toBe(alice);
    expect(
      new X509Certificate(mended?.certPem ?? '').verify(new X509Certificate(trust.caPem).publicKey),
    ).toBe(true);
    expect(await certOf(home, 'guest')).toBe(guest);
  });

  test('a certificate under another name is not taken for the principal', async () => {
    await using home = await temporaryHome();
    const clock = manualClock();
    await ensureIdentities(home, clock);
    const [guest, alice] = [home.identityFiles('guest'), home.identityFiles('alice')];
    await writeFile(alice.cert, await readFile(guest.cert));
    await writeFile(alice.key, await readFile(guest.key));
    await ensureIdentities(home, clock);
    expect((await readIdentity(alice))?.spiffeId).toBe(`spiffe://${DEVELOPMENT_TRUST_DOMAIN}/user/alice`);
  });

  test('a root without its key is made anew, and everything under it', async () => {
    await using home = await temporaryHome();
    const clock = manualClock();
    const first = await ensureIdentities(home, clock);
    await rm(home.caFile);
    const second = await ensureIdentities(home, clock);
    expect(second.created).toBe(true);
    expect(second.trust.caPem).not.toBe(first.trust.caPem);
    const root = new X509Certificate(second.trust.caPem);
    for (const { certPem } of Object.values(second.services)) {
      expect(new X509Certificate(certPem).verify(root.publicKey)).toBe(true);
    }
  });
});

describe('a trust root that cannot issue is refused, with what to do', () => {
  const damages: readonly [string, (home: Home) => Promise<unknown>, RegExp][] = [
    ['a certificate of noise', (home) => writeFile(home.caFile, 'noise'), /do not hold/],
    ['a key of noise', (home) => writeFile(home.caKeyFile, 'canary'), /do not hold/],
    ['a leaf instead', async (home) => writeFile(home.caFile, await certOf(home, 'alice')), /do not belong/],
    [
      'the key of another',
      async (home) => {
        const clock = manualClock();
        const other = await createDevelopmentCa({ trustDomain: DEVELOPMENT_TRUST_DOMAIN, clock });
        await writeFile(home.caKeyFile, other.keyPem);
      },
      /do not belong/,
    ],
  ];
  test.each(damages)('%s', async (_, damage, says) => {
    await using home = await temporaryHome();
    const clock = manualClock();
    await ensureIdentities(home, clock);
    await damage(home);
    const before = await readFile(home.caFile, 'utf8');
    const refusal = await ensureIdentities(home, clock).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(CommandFailed);
    const { message } = refusal as CommandFailed;
    expect(message).toMatch(says);
    expect(message).toContain(home.caFile);
    expect(message).toMatch(/Restore .* or remove/);
    expect(message).not.toContain('canary');
    expect(await readFile(home.caFile, 'utf8')).toBe(before);
  });
});
