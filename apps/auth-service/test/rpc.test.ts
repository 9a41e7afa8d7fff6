/** Over real mutual TLS: who may call what, both handshakes end to end, and what a restart keeps. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromBinary, getOption } from '@bufbuild/protobuf';
import { decodeEvent, openSpool } from '@sallyport/audit-log';
import { parseBinding, verifyBindingSignature, type RawHandshake } from '@sallyport/channel';
import { randomBytes, toBase64url, toHex } from '@sallyport/crypto';
import { access, authv1, eventsv1 } from '@sallyport/proto';
import type { DatabaseHost } from '@sallyport/service/database';
import { SallyportError } from '@sallyport/service/errors';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  asked,
  clock,
  createWorld,
  startAuthService,
  type AuthClient,
  type Started,
  type World,
} from './fixture.ts';
import { certificateOf, ok, pskOf, reasonOf, shake } from './support.ts';

let world: World;
let database: DatabaseHost;
beforeAll(async () => {
  world = await createWorld();
  database = await world.openDatabase();
}, 60_000);
afterAll(async () => {
  await database.close();
  await world[Symbol.asyncDispose]();
}, 30_000);

/** One life of the service over the same database and spool. */
async function life<T>(
  use: (service: Started) => Promise<T>,
  overrides?: Parameters<typeof startAuthService>[2],
): Promise<T> {
  await using service = await startAuthService(world, database, overrides);
  return await use(service);
}

const ask = (gateway: AuthClient, transcript: RawHandshake) =>
  gateway.authenticateHandshake({ transcript, sourceAddress: '192.0.2.7' });
const proveBy = (gateway: AuthClient) => async (transcript: RawHandshake) =>
  (await gateway.provePsk({ transcript })).macS;
const byCertificate = async (path = 'user/alice') =>
  shake({
    credential: certificateOf(await world.leaf(path)),
    gateway: world.gateway,
    gatewayNow: clock.now(),
    client: { bindingKey: world.keys.publicKey },
  });
const byPsk = (gateway: AuthClient, psk: { pskId: Uint8Array; psk: Uint8Array }) =>
  shake({
    credential: pskOf(psk),
    gateway: world.gateway,
    gatewayNow: clock.now(),
    provePsk: proveBy(gateway),
  });

/** Everything in the spool, in order, as lines. Read when the service is down. */
async function recorded(): Promise<string[]> {
  const producer = `spiffe://sallyport.test/svc/auth-service#${(await readFile(join(world.spoolDirectory, 'instance'), 'utf8')).trim()}`;
  const spool = await openSpool({ directory: world.spoolDirectory, producer });
  const { bodies } = await spool.read(spool.floor, 10_000_000);
  await spool.close();
  return bodies.map((body) => {
    const decoded = decodeEvent(body);
    if (!decoded.ok) throw new Error('not an event');
    const { type, data } = decoded.event;
    const who = 'user' in data ? ` ${data.user?.uid ?? ''}` : '';
    return `${type.slice('sallyport.audit.'.length)} ${data.activity_name} ${data.status_code}${who}`;
  });
}

describe('who may call what', () => {
  const CALLERS = [
    'svc/gateway',
    'svc/auth-service',
    'svc/key-service',
    'svc/policy-service',
    'svc/audit-service',
    'user/admin',
    'user/guest',
    'user/alice',
  ];
  const principals: Record<string, string> = {
    'user/admin': 'answered',
    'user/guest': 'denied',
    'user/alice': 'policy_unavailable',
  };
  // Empty requests, refused for their content once the caller is let through.
  const attempts: Record<string, (client: AuthClient) => Promise<unknown>> = {
    provePsk: (c) => c.provePsk({}),
    authenticateHandshake: (c) => c.authenticateHandshake({}),
    closeSession: (c) => c.closeSession({}),
    listSessions: (c) => c.listSessions({}),
    revokeSessions: (c) => c.revokeSessions({}),
    listRevocations: (c) => c.listRevocations({}),
    createPsk: (c) => c.createPsk({}),
    listPsks: (c) => c.listPsks({}),
    revokePsk: (c) => c.revokePsk({ pskId: new Uint8Array(16) }),
    issueToken: (c) => c.issueToken({}),
    introspectToken: (c) => c.introspectToken({}),
    revokeToken: (c) => c.revokeToken({}),
    setPassword: (c) => c.setPassword({}),
    deletePassword: (c) => c.deletePassword({}),
  };

  it.each(authv1.AuthService.methods.map((method) => ({ method })))(
    '$method.localName',
    async ({ method }) => {
      const { services, principalAction } = getOption(method, access);
      const attempt = attempts[method.localName];
      if (attempt === undefined) throw new Error('no row');
      const outcomes = await life(async (service) => {
        const rows: string[] = [];
        for (const path of CALLERS) {
          const outcome = await attempt(await service.as(path)).then(
            () => 'answered',
            (error: unknown) => (error instanceof SallyportError ? error.reason : String(error)),
          );
          rows.push(`${path} ${['invalid_argument', 'not_found'].includes(outcome) ? 'answered' : outcome}`);
        }
        return rows;
      });
      expect(outcomes).toEqual(
        CALLERS.map((path) => {
          const isService = path.startsWith('svc/');
          const mayCall = isService ? services.includes(path.slice(4)) : principalAction !== '';
          const expected = !mayCall ? 'caller_not_allowed' : isService ? 'answered' : principals[path];
          return `${path} ${expected}`;
        }),
      );
    },
  );

  it('policy is asked about whose sessions and keys', async () => {
    await life(async (service) => {
      const admin = await service.as('user/admin');
      asked.length = 0;
      await admin.listSessions({});
      await admin.listSessions({ principal: 'user:bob' });
      await admin.revokeSessions({ target: { case: 'principal', value: 'user:bob' } });
      await admin.listPsks({ principal: 'workload:batch' });
      const { pskId } = await admin.createPsk({ principal: 'workload:asked' });
      await admin.revokePsk({ pskId });
      expect(asked).toEqual([
        'user:admin sessions.read session:all',
        'user:admin sessions.read session:user:bob',
        'user:admin sessions.revoke session:user:bob',
        'user:admin psk.read psk:workload:batch',
        'user:admin psk.write psk:workload:asked',
        `user:admin psk.write psk:${toHex(pskId)}`,
      ]);
    });
  });
});

describe('the life of a session', () => {
  it('from handshake to revocation, over the wire and into the spool', async () => {
    const before = await life(async () => undefined).then(recorded);
    const heard: bigint[] = [];
    const subscription = await world.bus.subscribe('sessions.revoked', {}, async ({ payload }) => {
      heard.push(fromBinary(eventsv1.SessionRevokedSchema, payload).number);
    });
    const start = await life(async (service) => {
      const gateway = await service.as('svc/gateway');
      const admin = await service.as('user/admin');
      const { lastNumber } = await gateway.listRevocations({});

      const { raw } = await byCertificate();
      const answer = await ask(gateway, raw);
      expect(verifyBindingSignature(world.keys.publicKey, answer.binding, answer.bindingSignature)).toBe(
        true,
      );
      const { sid } = ok(parseBinding(answer.binding));
      expect(await reasonOf(ask(gateway, raw))).toBe('credential_invalid');

      const psk = await admin.createPsk({ principal: 'workload:batch', label: 'nightly' });
      const shaken = await byPsk(gateway, psk);
      const second = ok(parseBinding((await ask(gateway, shaken.raw)).binding));
      expect(second.principal).toBe('workload:batch');

      const { sessions } = await admin.listSessions({});
      expect(sessions.map(({ principal, state, method }) => [principal, state, method])).toEqual([
        ['workload:batch', 'open', 'psk'],
        ['user:alice', 'open', 'certificate'],
      ]);
      const { sessionIds } = await admin.revokeSessions({ target: { case: 'sessionId', value: sid } });
      expect(sessionIds).toEqual([sid]);
      await admin.revokePsk({ pskId: psk.pskId });
      expect(world.keys.destroyed).toEqual([toHex(sid), toHex(second.sid)]);
      const missed = await gateway.listRevocations({ afterNumber: lastNumber });
      expect(missed.revocations.map(({ sessionId }) => sessionId)).toEqual([sid, second.sid]);
      return lastNumber;
    });
    await expect.poll(() => heard).toEqual([start + 1n, start + 2n]);
    await subscription.unsubscribe();
    expect((await recorded()).slice(before.length)).toEqual([
      'authentication logon authenticated user:alice',
      'call update allowed',
      'entity_management create created',
      'call update ok',
      'authentication logon authenticated workload:batch',
      'call read ok',
      'call delete allowed',
      'entity_management delete revoked',
      'call delete ok',
      'call update allowed',
      'entity_management disable revoked',
      'entity_management delete revoked',
      'call update ok',
      'frames_rejected frames_rejected handshake:session_reused',
    ]);
  });

  it('a key that was made before a restart opens sessions after it', async () => {
    const psk = await life(async (service) =>
      (await service.as('user/admin')).createPsk({ principal: 'workload:batch' }),
    );
    await life(async (service) => {
      const gateway = await service.as('svc/gateway');
      const { raw } = await byPsk(gateway, psk);
      expect((await ask(gateway, raw)).pskExport).toHaveLength(32);
    });
  });
});

describe('while key-service is away', () => {
  it('it starts, says that it is not ready, and refuses as retryable', async () => {
    await life(
      async (service) => {
        const gateway = await service.as('svc/gateway');
        await expect(service.readiness['key-service']?.()).rejects.toMatchObject({ reason: 'unavailable' });
        await service.readiness['database']?.();
        await service.readiness['audit']?.();
        const { raw } = await byCertificate();
        await expect(ask(gateway, raw)).rejects.toMatchObject({ reason: 'unavailable', retryable: true });
        expect((await gateway.listRevocations({})).lastNumber).toBeGreaterThan(0n);
      },
      { keyAddress: '127.0.0.1:1' },
    );
  });

  it('it is ready when key-service is', async () => {
    await life(async (service) => {
      world.keys.isAway = true;
      await expect(service.readiness['key-service']?.()).rejects.toMatchObject({ reason: 'unavailable' });
      world.keys.isAway = false;
      await service.readiness['key-service']?.();
    });
  });
});

describe('a secret', () => {
  async function filesBelow(folder: string): Promise<ReadonlyMap<string, Buffer>> {
    const files = new Map<string, Buffer>();
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile()) files.set(path, await readFile(path));
    }
    return files;
  }

  // Also when somebody takes the key for its id.
  it('is in no file, log line, span, metric or error; its id is in the database and the spool', async () => {
    const errors: string[] = [];
    const { psk, exported, metrics } = await life(async (service) => {
      const [admin, gateway] = [await service.as('user/admin'), await service.as('svc/gateway')];
      const made = await admin.createPsk({ principal: 'workload:canary', label: 'canary' });
      const { raw } = await shake({
        credential: pskOf(made, 'workload:canary'),
        gateway: world.gateway,
        gatewayNow: clock.now(),
        provePsk: proveBy(gateway),
      });
      const changed = { ...raw, clientAuth: raw.clientAuth.map((byte, at) => (at === 3 ? byte ^ 1 : byte)) };
      for (const call of [
        ask(gateway, changed),
        gateway.closeSession({ sessionId: made.psk }),
        admin.revokePsk({ pskId: made.psk }),
      ]) {
        const error: unknown = await call.then(
          () => undefined,
          (caught: unknown) => caught,
        );
        if (!(error instanceof SallyportError)) throw new Error('not refused');
        errors.push(`${error.message} ${error.stack} ${JSON.stringify(error)}`);
      }
      const answer = await ask(gateway, raw);
      await admin.listPsks({});
      await admin.listSessions({});
      return { psk: made, exported: answer.pskExport, metrics: await service.runtime.metrics.exposition() };
    });
    const files = await filesBelow(world.home);
    const places = new Map<string, Buffer>([
      ...files,
      ['log', Buffer.from(JSON.stringify(world.log.lines))],
      ['spans', Buffer.from(JSON.stringify(world.spans))],
      ['errors', Buffer.from(errors.join('\n'))],
      ['metrics', Buffer.from(metrics)],
    ]);
    const holding = (bytes: Uint8Array) => {
      const forms = [
        Buffer.from(bytes),
        toHex(bytes),
        toBase64url(bytes),
        Buffer.from(bytes).toString('base64'),
      ];
      return [...places]
        .filter(([, content]) => forms.some((form) => content.includes(form)))
        .map(([place]) => place);
    };
    expect(exported).toHaveLength(32);
    expect(holding(psk.psk)).toEqual([]);
    expect(holding(exported)).toEqual([]);
    const found = holding(psk.pskId).map((place) => place.slice(world.home.length + 1).split('/')[0]);
    expect(new Set(found)).toEqual(new Set(['database', 'spool']));
  });
});

it('starts with no anchors that are none', async () => {
  const { readAnchors } = await import('../src/clients/trust/material.ts');
  const { certPem } = await world.authority.identity('user/alice');
  expect(() => readAnchors('nothing')).toThrow(TypeError);
  expect(() => readAnchors(certPem)).toThrow(/not a certificate authority/u);
  expect(() =>
    readAnchors(`-----BEGIN CERTIFICATE-----\n${toHex(randomBytes(9))}\n-----END CERTIFICATE-----`),
  ).toThrow(TypeError);
});
