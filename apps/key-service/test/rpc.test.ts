import { fromBinary, getOption } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { bindingSignatureInput } from '@sallyport/channel';
import { ED25519, randomBytes, utf8 } from '@sallyport/crypto';
import { access, eventsv1, keyv1 } from '@sallyport/proto';
import type { DatabaseHost } from '@sallyport/service/database';
import { SallyportError } from '@sallyport/service/errors';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  binding,
  clock,
  createWorld,
  signedBinding,
  startKeyService,
  type KeyClient,
  type Started,
  type World,
} from './fixture.ts';
import { HOUR, reasonOf } from './support.ts';

const CALLERS = [
  'svc/gateway',
  'svc/auth-service',
  'svc/policy-service',
  'svc/audit-service',
  'svc/key-service',
  'user/admin',
  'user/guest',
  'user/alice',
];

let world: World;
let database: DatabaseHost;
let service: Started;
const clients = new Map<string, KeyClient>();

beforeAll(async () => {
  world = await createWorld();
  database = await world.openDatabase();
  service = await startKeyService(world, database);
  for (const path of CALLERS) clients.set(path, await service.as(path));
}, 60_000);

afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await database.close();
  await world[Symbol.asyncDispose]();
}, 30_000);

function as(path: string): KeyClient {
  const client = clients.get(path);
  if (client === undefined) throw new Error(path);
  return client;
}

const aad = utf8('psk:0011');
const plaintext = utf8('thirty-two bytes of a shared key');

describe('who may call what', () => {
  // A call that is answered when the caller is allowed and refused for its content otherwise: never `caller_not_allowed`
  // by the key's owner, so each service is given a key of its own.
  const area = (path: string) => path.slice('svc/'.length).split('-')[0] ?? '';
  const purpose: Record<string, string> = {
    auth: 'session-binding',
    policy: 'policy-bundle',
    audit: 'audit-checkpoint',
  };
  const attempts: Record<string, (client: KeyClient, path: string) => Promise<unknown>> = {
    encrypt: (c, path) => c.encrypt({ key: `${area(path)}/table`, items: [{ plaintext, aad }] }),
    decrypt: (c, path) => c.decrypt({ key: `${area(path)}/table`, items: [{ ciphertext: plaintext, aad }] }),
    generateDataKey: (c, path) => c.generateDataKey({ key: `${area(path)}/table`, aad }),
    createSessionKey: (c) => c.createSessionKey({}),
    renewLeases: (c) => c.renewLeases({}),
    destroySessionKeys: (c) => c.destroySessionKeys({}),
    sign: (c, path) => c.sign({ purpose: purpose[area(path)] ?? 'policy-bundle', message: plaintext }),
    listPublicKeys: (c) => c.listPublicKeys({}),
    listKeys: (c) => c.listKeys({}),
    rotateKey: (c) => c.rotateKey({ name: 'audit-checkpoint' }),
  };
  const principals: Record<string, string> = {
    'user/admin': 'answered',
    'user/guest': 'denied',
    'user/alice': 'internal', // whatever policy throws, the call is not made
  };

  const rows = keyv1.KeyService.methods.flatMap((method) => {
    const { services, principalAction } = getOption(method, access);
    return CALLERS.map((path) => {
      const isService = path.startsWith('svc/');
      const mayCall = isService ? services.includes(path.slice(4)) : principalAction !== '';
      const expected = !mayCall ? 'caller_not_allowed' : isService ? 'answered' : (principals[path] ?? '');
      return { method: method.localName, path, expected };
    });
  });

  it.each(rows)('$method by $path: $expected', async ({ method, path, expected }) => {
    const attempt = attempts[method];
    if (attempt === undefined) throw new Error(`no row for ${method}`);
    const outcome = await attempt(as(path), path).then(
      () => 'answered',
      (error: unknown) => (error instanceof SallyportError ? error.reason : String(error)),
    );
    const refusedForContent = ['decryption_failed', 'credential_invalid'].includes(outcome);
    if (expected === 'internal') expect(outcome).not.toBe('answered');
    else expect(refusedForContent ? 'answered' : outcome).toBe(expected);
  });
});

describe('Encrypt, Decrypt and GenerateDataKey', () => {
  it('carry a batch there and back', async () => {
    const auth = as('svc/auth-service');
    const items = [plaintext, new Uint8Array(0), randomBytes(65_536)].map((body) => ({
      plaintext: body,
      aad,
    }));
    const { ciphertexts } = await auth.encrypt({ key: 'auth/psk', items });
    const opened = await auth.decrypt({
      key: 'auth/psk',
      items: ciphertexts.map((ciphertext) => ({ ciphertext, aad })),
    });
    expect(opened.plaintexts).toEqual(items.map((item) => item.plaintext));
  });

  it.each(['svc/policy-service', 'svc/audit-service'])('refuse %s the keys of auth-service', async (path) => {
    const { ciphertexts } = await as('svc/auth-service').encrypt({
      key: 'auth/psk',
      items: [{ plaintext, aad }],
    });
    const items = ciphertexts.map((ciphertext) => ({ ciphertext, aad }));
    expect(await reasonOf(as(path).decrypt({ key: 'auth/psk', items }))).toBe('caller_not_allowed');
    expect(await reasonOf(as(path).encrypt({ key: 'auth/psk', items: [{ plaintext, aad }] }))).toBe(
      'caller_not_allowed',
    );
  });

  it('name the item that does not open, and not why', async () => {
    const auth = as('svc/auth-service');
    const { ciphertexts } = await auth.encrypt({ key: 'auth/psk', items: [{ plaintext, aad }] });
    const items = [...ciphertexts, ...ciphertexts].map((ciphertext) => ({ ciphertext, aad }));
    const last = items[1];
    if (last !== undefined) last.aad = utf8('elsewhere');
    await expect(auth.decrypt({ key: 'auth/psk', items })).rejects.toMatchObject({
      reason: 'decryption_failed',
      field: 'items[1]',
      message: 'this item does not open under this key',
    });
  });

  it('leave the plain data key out when only the wrapped one is asked for', async () => {
    const audit = as('svc/audit-service');
    const both = await audit.generateDataKey({ key: 'audit/archive', aad });
    const wrappedOnly = await audit.generateDataKey({ key: 'audit/archive', aad, wrappedOnly: true });
    expect([both.plaintext.length, wrappedOnly.plaintext.length]).toEqual([32, 0]);
    const opened = await audit.decrypt({
      key: 'audit/archive',
      items: [both, wrappedOnly].map(({ wrapped }) => ({ ciphertext: wrapped, aad })),
    });
    expect(opened.plaintexts[0]).toEqual(both.plaintext);
    expect(opened.plaintexts[1]).toHaveLength(32);
  });

  it('refuse a message above the edge’s limit', async () => {
    const items = Array.from({ length: 65 }, () => ({ plaintext: new Uint8Array(65_536), aad }));
    expect(await reasonOf(as('svc/auth-service').encrypt({ key: 'auth/psk', items }))).toBe('too_large');
  });
});

describe('CreateSessionKey', () => {
  it('gives a gateway a key for a binding in the channel’s layout', async () => {
    const request = await signedBinding(as('svc/auth-service'));
    const { sessionKey, leaseNotAfter } = await as('svc/gateway').createSessionKey(request);
    expect(sessionKey).toHaveLength(32);
    const leaseMs = leaseNotAfter === undefined ? 0 : timestampMs(leaseNotAfter) - clock.now();
    expect(leaseMs).toBeGreaterThan(HOUR - 60_000);
    expect(leaseMs).toBeLessThanOrEqual(HOUR);
  });

  it('renews, destroys, and never gives the same session a second key', async () => {
    const [auth, gateway] = [as('svc/auth-service'), as('svc/gateway')];
    const sid = randomBytes(16);
    await gateway.createSessionKey(await signedBinding(auth, binding({ sid })));
    expect((await gateway.renewLeases({ sessionIds: [sid, randomBytes(16)] })).leases).toMatchObject([
      { sessionId: sid },
    ]);
    expect((await auth.destroySessionKeys({ sessionIds: [sid] })).destroyed).toBe(1);
    expect((await gateway.destroySessionKeys({ sessionIds: [sid] })).destroyed).toBe(0);
    expect((await gateway.renewLeases({ sessionIds: [sid] })).leases).toEqual([]);
    const again = gateway.createSessionKey(await signedBinding(auth, binding({ sid })));
    expect(await reasonOf(again)).toBe('already_exists');
  });

  it.each<[string, () => Promise<Parameters<KeyClient['createSessionKey']>[0]>, string]>([
    ['nothing', async () => ({}), 'credential_invalid'],
    [
      'a binding signed by a gateway itself',
      async () => {
        const bytes = binding();
        const own = ED25519.generate();
        const genuine = await signedBinding(as('svc/auth-service'));
        return {
          ...genuine,
          binding: bytes,
          bindingSignature: ED25519.sign(own.privateKey, bindingSignatureInput(bytes)),
        };
      },
      'credential_invalid',
    ],
    [
      'a binding under the signature of another',
      async () => ({ ...(await signedBinding(as('svc/auth-service'))), binding: binding() }),
      'credential_invalid',
    ],
    [
      'a binding signed by the checkpoint key',
      async () => {
        const bytes = binding();
        const message = bindingSignatureInput(bytes);
        const { keyId, signature } = await as('svc/audit-service').sign({
          purpose: 'audit-checkpoint',
          message,
        });
        return { binding: bytes, bindingSignature: signature, bindingKeyId: keyId };
      },
      'credential_invalid',
    ],
    [
      'a signed text that is no binding',
      () => signedBinding(as('svc/auth-service'), utf8('not a binding')),
      'credential_invalid',
    ],
    [
      'a signed binding with a byte over',
      () => signedBinding(as('svc/auth-service'), Uint8Array.from([...binding(), 0])),
      'credential_invalid',
    ],
    [
      'a binding of another trust domain',
      () => signedBinding(as('svc/auth-service'), binding({ trustDomain: 'elsewhere.test' })),
      'credential_invalid',
    ],
    [
      'a binding that is over',
      () =>
        signedBinding(
          as('svc/auth-service'),
          binding({ notBeforeMs: clock.now() - HOUR, notAfterMs: clock.now() - 1 }),
        ),
      'session_expired',
    ],
  ])('refuses %s', async (_, request, reason) => {
    expect(await reasonOf(as('svc/gateway').createSessionKey(await request()))).toBe(reason);
  });
});

describe('RotateKey and the lists', () => {
  it('is recorded, announced, and seen by everybody', async () => {
    const announced: { readonly state: string; readonly keyId: string; readonly purpose: string }[] = [];
    await using subscription = await world.bus.subscribe('keys.changed', {}, async ({ payload }) => {
      announced.push(fromBinary(eventsv1.KeyChangedSchema, payload));
    });
    void subscription;
    const before = await as('svc/gateway').listPublicKeys({ purpose: 'policy-bundle' });
    world.events.length = 0;

    const { active } = await as('user/admin').rotateKey({ name: 'policy-bundle' });
    expect(active).toMatchObject({ state: keyv1.KeyState.ACTIVE, uses: 0n });
    expect(world.events).toMatchObject([
      {
        type: 'sallyport.audit.entity_management',
        data: {
          activity_name: 'create',
          actor: { user: { uid: 'user:admin' } },
          entity: { type: 'key', uid: 'policy-bundle', version: String(active?.version) },
          status_code: 'rotation',
        },
      },
      { data: { activity_name: 'deactivate', entity: { uid: 'policy-bundle' } } },
    ]);
    await expect
      .poll(() => announced)
      .toMatchObject([
        { state: 'ACTIVE', keyId: active?.keyId, purpose: 'policy-bundle' },
        { state: 'DEACTIVATED', keyId: before.keys.at(-1)?.keyId },
      ]);

    const { keys } = await as('svc/gateway').listPublicKeys({ purpose: 'policy-bundle' });
    expect(keys.at(-1)).toMatchObject({ keyId: active?.keyId, algorithm: 'Ed25519' });
    expect(keys.slice(0, -1).every(({ state }) => state === keyv1.KeyState.DEACTIVATED)).toBe(true);
    expect(
      (await as('svc/policy-service').sign({ purpose: 'policy-bundle', message: plaintext })).keyId,
    ).toBe(active?.keyId);
  });

  it('answers concurrent calls with one version', async () => {
    const admin = as('user/admin');
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => admin.rotateKey({ name: 'session-binding' })),
    );
    const versions = new Set(answers.map(({ active }) => active?.version));
    const { keys } = await admin.listKeys({});
    const listed = keys.find(({ name }) => name === 'session-binding')?.versions ?? [];
    expect(listed.filter(({ state }) => state === keyv1.KeyState.ACTIVE)).toHaveLength(1);
    expect(versions.size).toBeLessThan(8);
  });

  it.each([
    ['a name that is none', 'No Such Key', 'invalid_argument'],
    ['a key that was never made', 'auth/never', 'not_found'],
  ])('refuses %s', async (_, name, reason) => {
    expect(await reasonOf(as('user/admin').rotateKey({ name }))).toBe(reason);
  });

  it('asks policy about the key by name', async () => {
    await reasonOf(as('user/guest').rotateKey({ name: 'auth/psk' }));
    expect(world.calls.at(-1)).toMatchObject({
      action: 'keys.rotate',
      resource: { kind: 'key', name: 'auth/psk' },
      verdict: { allowed: false },
    });
  });

  it('shows every key with tenant, kind and uses', async () => {
    await as('svc/policy-service').encrypt({
      key: 'policy/seen',
      items: [
        { plaintext, aad },
        { plaintext, aad },
      ],
    });
    const { keys } = await as('user/admin').listKeys({});
    expect(keys.find(({ name }) => name === 'policy/seen')).toMatchObject({
      kind: keyv1.KeyKind.DOMAIN,
      tenant: 'default',
      versions: [{ version: 1, state: keyv1.KeyState.ACTIVE, uses: 2n }],
    });
    expect(keys.find(({ name }) => name === 'session-binding')).toMatchObject({
      kind: keyv1.KeyKind.SIGNING,
      tenant: 'system',
    });
  });

  it('counts operations by outcome', async () => {
    const text = await service.runtime.metrics.exposition();
    expect(text).toMatch(
      /sallyport_key_operations_total\{[^}]*operation="encrypt"[^}]*outcome="ok"[^}]*\} [1-9]/u,
    );
    expect(text).toMatch(/outcome="credential_invalid"/u);
  });

  it('is ready', async () => {
    for (const check of Object.values(service.readiness)) await check();
  });
});
