/** Pre-shared keys in handshakes: what may not be accepted, and what may not show. */
import { pskServerProof, readPskProofRequest, type RawHandshake } from '@sallyport/channel';
import { randomBytes } from '@sallyport/crypto';
import { describe, expect, it } from 'vitest';
import type { NewPsk } from '../src/app/create-psk.ts';
import type { PskStore } from '../src/app/ports.ts';
import { memoryStore } from '../src/store/memory.ts';
import { DAY, NOW, spiffe } from './pki.ts';
import { ADMIN, useRig } from './rig.ts';
import { GATEWAY, gatewayOf, ok, pskOf, reasonOf, shake, testApp, type Pki } from './support.ts';

const rig = useRig();
const { judge, prove, newPsk, byPsk, refusedFor } = rig;

describe('a pre-shared key', () => {
  it.each([
    ['unknown', async (psk: NewPsk) => ({ ...psk, pskId: randomBytes(16) }), 'psk_unknown'],
    [
      'revoked',
      async (psk: NewPsk) => {
        await rig.app.auth.revokePsk(ADMIN, psk.pskId);
        return psk;
      },
      'psk_revoked',
    ],
    [
      'over',
      async (psk: NewPsk) => {
        rig.app.clock.advance(91 * DAY);
        return psk;
      },
      'psk_expired',
    ],
  ])('that is %s gets a decoy proof, which its client does not believe', async (_, spoil, cause) => {
    const psk = await spoil(await newPsk());
    const now = rig.app.clock.now();
    const gateway = await gatewayOf(rig.pki.authority, { notAfter: now + DAY, delegatedUntil: now + DAY });
    await expect(
      shake({ credential: pskOf(psk), gateway, provePsk: prove, gatewayNow: now }),
    ).rejects.toThrow('psk_proof');
    expect(rig.app.causes).toEqual([]);
    // A client that goes on all the same is refused, for its key.
    expect(await refusedFor(judge(await believingClient(psk, gateway, now)))).toBe(cause);
  });

  it("with another client's bytes is refused", async () => {
    const [mine, other] = [await newPsk(), await newPsk('workload:other')];
    const raw = await believingClient({ ...mine, psk: other.psk }, rig.pki.gateway, NOW);
    expect(await refusedFor(judge(raw))).toBe('psk_proof');
  });

  it('of one principal does not work under the name of another', async () => {
    const psk = await newPsk('workload:batch');
    await expect(byPsk(psk, 'user:admin')).rejects.toThrow('psk_proof');
  });

  it('of another trust domain is not used', async () => {
    const psk = await newPsk();
    const there = testApp(rig.pki.authority.pem, {
      store: rig.app.store,
      keys: rig.app.keys,
      trustDomain: 'other.test',
    });
    const gateway = await gatewayOf(rig.pki.authority, { uris: [spiffe('svc/gateway', 'other.test')] });
    const asked: RawHandshake[] = [];
    await expect(
      shake({
        credential: pskOf(psk),
        gateway,
        provePsk: (raw) => {
          asked.push(raw);
          return there.auth.provePsk(spiffe('svc/gateway', 'other.test'), raw);
        },
      }),
    ).rejects.toThrow('psk_proof');
    expect(asked).toHaveLength(1);
  });

  it('revoked between proof and answer opens nothing, also when it is in the cache', async () => {
    const psk = await newPsk();
    const { raw } = await byPsk(psk);
    await rig.app.auth.revokePsk(ADMIN, psk.pskId);
    expect(await refusedFor(judge(raw))).toBe('psk_revoked');
  });

  it('revoked by another replica has a decoy at once, whatever is in the cache', async () => {
    const psk = await newPsk();
    const asked: RawHandshake[] = [];
    const credential = pskOf(psk);
    await shake({
      credential,
      gateway: rig.pki.gateway,
      provePsk: (raw) => {
        asked.push(raw);
        return prove(raw);
      },
    });
    const [request] = asked;
    if (request === undefined) throw new Error('not asked');
    const real = await prove(request);
    const replica = testApp(rig.pki.authority.pem, { store: rig.app.store, keys: rig.app.keys });
    await replica.auth.revokePsk(ADMIN, psk.pskId);
    const decoy = await prove(request);
    expect(decoy).not.toEqual(real);
    expect(await replica.auth.provePsk(GATEWAY, request)).toEqual(decoy);
  });

  it('revoked while its handshake is judged opens nothing', async () => {
    const psk = await newPsk();
    const { raw } = await byPsk(psk);
    const { signBinding } = rig.app.keys;
    Object.assign(rig.app.keys, {
      signBinding: async (message: Uint8Array) => {
        await rig.app.auth.revokePsk(ADMIN, psk.pskId);
        return signBinding(message);
      },
    });
    expect(await refusedFor(judge(raw))).toBe('psk_revoked');
    expect(rig.app.recorded.map(({ kind }) => kind)).toEqual(['psk_created', 'psk_revoked']);
  });
});

/** ClientAuth of a client that believes the gateway whatever its proof: it has the decoy's key for mac_s, its own for mac_c. */
async function believingClient(
  psk: { readonly pskId: Uint8Array; readonly psk: Uint8Array },
  gateway: Pki['gateway'],
  now: number,
): Promise<RawHandshake> {
  const credential = pskOf(psk);
  if (credential.method !== 'psk') throw new Error('not a key');
  const { raw } = await shake({
    credential,
    gateway,
    gatewayNow: now,
    // A hostile gateway that knows the client's key stands in for the client's belief.
    provePsk: async (request) =>
      pskServerProof(credential.pskKey, ok(readPskProofRequest(request)).hashes.serverMac),
  });
  return raw;
}

describe('known and unknown ids', () => {
  /** What happens for an id: reads of the store and calls of key-service, in order. */
  async function stepsOf(psk: NewPsk): Promise<readonly string[]> {
    const steps: string[] = [];
    const { find } = rig.app.store.psks;
    const watched: PskStore = {
      ...rig.app.store.psks,
      find: async (pskId) => {
        steps.push('find');
        return find(pskId);
      },
    };
    const fresh = testApp(rig.pki.authority.pem, { store: rig.app.store, keys: rig.app.keys, psks: watched });
    rig.app.keys.calls.length = 0;
    for (let round = 0; round < 2; round += 1) {
      await shake({
        credential: pskOf(psk),
        gateway: rig.pki.gateway,
        provePsk: async (raw) => {
          const proof = await fresh.auth.provePsk(GATEWAY, raw);
          expect(proof).toHaveLength(32);
          return proof;
        },
      }).catch(() => undefined);
      steps.push(...rig.app.keys.calls.splice(0), '|');
    }
    return steps;
  }

  it('take the same steps, whatever is wrong with them', async () => {
    await rig.app.auth.prepareDecoys();
    const known = await newPsk();
    const revoked = await newPsk('workload:other');
    await rig.app.auth.revokePsk(ADMIN, revoked.pskId);
    const expected = ['find', 'decrypt', '|', 'find', '|'];
    expect(await stepsOf(known)).toEqual(expected);
    expect(await stepsOf({ ...known, pskId: randomBytes(16) })).toEqual(expected);
    expect(await stepsOf(revoked)).toEqual(expected);
  });

  it('have the same proof again and again, also from another replica', async () => {
    const pskId = randomBytes(16);
    const asked: RawHandshake[] = [];
    await shake({
      credential: pskOf({ pskId, psk: randomBytes(32) }),
      gateway: rig.pki.gateway,
      provePsk: (raw) => {
        asked.push(raw);
        return prove(raw);
      },
    }).catch(() => undefined);
    const [raw] = asked;
    if (raw === undefined) throw new Error('not asked');
    const replica = testApp(rig.pki.authority.pem, { store: rig.app.store, keys: rig.app.keys });
    expect(await replica.auth.provePsk(GATEWAY, raw)).toEqual(await prove(raw));
    const elsewhere = testApp(rig.pki.authority.pem, { store: memoryStore() });
    expect(await elsewhere.auth.provePsk(GATEWAY, raw)).not.toEqual(await prove(raw));
  });

  it('wait alike while key-service is away', async () => {
    const known = await newPsk();
    await rig.app.auth.prepareDecoys();
    rig.app.keys.isAway = true;
    for (const psk of [known, { ...known, pskId: randomBytes(16) }]) {
      expect(await reasonOf(byPsk(psk))).toBe('unavailable');
    }
  });
});
