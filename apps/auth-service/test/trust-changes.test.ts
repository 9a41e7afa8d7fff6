/** What the files of trust domains hold changes while it is used. */
import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createAuthority, createCrl, createLeaf, spiffe } from './pki.ts';
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
} from './trust-fixture.ts';

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
