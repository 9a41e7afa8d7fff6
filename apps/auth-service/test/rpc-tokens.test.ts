/** Tokens and passwords over real mutual TLS, PGlite and the real Argon2id. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { parseBinding } from '@sallyport/channel';
import { randomBytes, toBase64url, toHex } from '@sallyport/crypto';
import { eventsv1 } from '@sallyport/proto';
import type { DatabaseHost } from '@sallyport/service/database';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  asked,
  clock,
  createWorld,
  startAuthService,
  type AuthClient,
  type Started,
  type World,
} from './fixture.ts';
import { certificateOf, ok, PUBLIC_ORIGIN, reasonOf, shake } from './support.ts';

const DOOR = `${PUBLIC_ORIGIN}/mcp`;

let world: World;
let database: DatabaseHost;
let service: Started;
let gateway: AuthClient;
let admin: AuthClient;
beforeAll(async () => {
  world = await createWorld();
  database = await world.openDatabase();
  service = await startAuthService(world, database);
  [gateway, admin] = [await service.as('svc/gateway'), await service.as('user/admin')];
}, 60_000);
afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await database.close();
  await world[Symbol.asyncDispose]();
}, 30_000);
beforeEach(() => void (asked.length = 0));

/** The id of a channel session of `user:alice`. */
async function session(): Promise<Uint8Array> {
  const { raw } = await shake({
    credential: certificateOf(await world.leaf('user/alice')),
    gateway: world.gateway,
    gatewayNow: clock.now(),
    client: { bindingKey: world.keys.publicKey },
  });
  const { binding } = await gateway.authenticateHandshake({ transcript: raw, sourceAddress: '192.0.2.7' });
  return ok(parseBinding(binding)).sid;
}

describe('a token', () => {
  it('from a channel session to its revocation', async () => {
    const heard: string[] = [];
    const subscription = await world.bus.subscribe('sessions.revoked', {}, async ({ payload }) => {
      heard.push(toHex(fromBinary(eventsv1.SessionRevokedSchema, payload).sessionId));
    });
    const sessionId = await session();
    const issued = await gateway.issueToken({ sessionId, audience: [DOOR], lifetimeSeconds: 60 });
    expect(issued.scopes).toEqual(['context:read', 'context:call']);
    expect(issued.notAfter && timestampMs(issued.notAfter)).toBeLessThanOrEqual(clock.now() + 60_000);

    const { accessToken } = issued;
    expect(await admin.introspectToken({ accessToken })).toMatchObject({
      active: true,
      principal: 'user:alice',
      tenant: 'default',
      clientId: 'sallyport-channel',
      audience: [DOOR],
      method: 'certificate',
      sessionId: issued.sessionId,
      dpopJkt: '',
    });
    const { sessions } = await admin.listSessions({ principal: 'user:alice' });
    expect(sessions[0]).toMatchObject({
      kind: 'token',
      sessionId: issued.sessionId,
      parentSessionId: sessionId,
      clientId: 'sallyport-channel',
    });

    const ended = await admin.revokeToken({ accessToken, cause: 'leaked' });
    expect(ended.sessionId).toEqual(issued.sessionId);
    await expect.poll(() => heard).toEqual([toHex(issued.sessionId)]);
    await subscription.unsubscribe();
    const { revocations } = await gateway.listRevocations({});
    expect(revocations.at(-1)).toMatchObject({ sessionId: issued.sessionId, cause: 'leaked' });
    expect(world.keys.destroyed).not.toContain(toHex(issued.sessionId));
    expect(await admin.introspectToken({ accessToken })).toMatchObject({ active: false, principal: '' });
    expect((await admin.revokeToken({ accessToken })).sessionId).toHaveLength(0);
    expect(new Set(asked)).toEqual(
      new Set([
        'user:admin tokens.read token:all',
        'user:admin sessions.read session:user:alice',
        'user:admin sessions.revoke session:all',
      ]),
    );
  });

  it.each([
    ['an audience that is not ours', { audience: ['https://evil.test/mcp'] }, 'audience'],
    ['an unknown scope', { scopes: ['everything'] }, 'scopes'],
    ['a lifetime that is too long', { lifetimeSeconds: 601 }, 'lifetime_seconds'],
    ['a thumbprint that is none', { dpopJkt: 'x' }, 'dpop_jkt'],
  ])('is not given with %s, and the answer says what is wrong', async (_name, changes, field) => {
    const refused = gateway.issueToken({ sessionId: await session(), audience: [DOOR], ...changes });
    await expect(refused).rejects.toMatchObject({ reason: 'invalid_argument', field });
  });

  it('is not given for a session that is closed, or that nobody has', async () => {
    const sessionId = await session();
    await gateway.closeSession({ sessionId });
    const audience = [DOOR];
    expect(await reasonOf(gateway.issueToken({ sessionId, audience }))).toBe('session_revoked');
    expect(await reasonOf(gateway.issueToken({ sessionId: randomBytes(16), audience }))).toBe(
      'session_unknown',
    );
  });

  it('rotated keys: what was signed before is good, and what is signed now names the new key', async () => {
    const sessionId = await session();
    const before = await gateway.issueToken({ sessionId, audience: [DOOR] });
    world.tokenKeys.rotate('EdDSA');
    const after = await gateway.issueToken({ sessionId, audience: [DOOR] });
    await expect
      .poll(async () => (await admin.introspectToken({ accessToken: after.accessToken })).active)
      .toBe(true);
    const keyOf = async (accessToken: string) => (await admin.introspectToken({ accessToken })).keyId;
    expect(await keyOf(before.accessToken)).not.toBe('');
    expect(await keyOf(before.accessToken)).not.toBe(await keyOf(after.accessToken));
  });
});

it('what is secret of passwords and tokens is in no file, log line, span or metric', async () => {
  const password = `canary-${toBase64url(randomBytes(12))}`;
  await admin.setPassword({ principal: 'user:canary', password });
  await admin.setPassword({ principal: 'user:canary', password });
  expect(await reasonOf(admin.setPassword({ principal: password, password }))).toBe('invalid_argument');
  const { accessToken } = await gateway.issueToken({ sessionId: await session(), audience: [DOOR] });
  await admin.introspectToken({ accessToken });
  await admin.deletePassword({ principal: 'user:canary' });
  expect(await reasonOf(admin.deletePassword({ principal: 'user:canary' }))).toBe('not_found');
  await expect(admin.setPassword({ principal: 'user:canary', password: 'short' })).rejects.toThrow(
    /12 to 256 characters/u,
  );
  const entries = await readdir(world.home, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const contents = await Promise.all(files.map((file) => readFile(file)));
  const told = [world.log.lines, world.spans, await service.runtime.metrics.exposition()];
  const places = [...contents, Buffer.from(JSON.stringify(told))];
  expect(places.length).toBeGreaterThan(3);
  const [, payload = '', signature = ''] = accessToken.split('.');
  for (const secret of [accessToken, payload, signature])
    expect(places.filter((place) => place.includes(secret))).toEqual([]);
  // Who takes the field for another is on record with what was put there: that call, and nothing else.
  expect(contents.filter((place, at) => place.includes(password) && !files[at]?.includes('spool'))).toEqual(
    [],
  );
}, 30_000);
