/** The authorization server inside auth-service: over PGlite, a stub of key-service, and restarts. */
import type { DatabaseHost } from '@sallyport/service/database';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AuthSchema } from '../../src/store/rows.ts';
import { createWorld, startAuthService, type Started, type World } from '../fixture.ts';
import { Browser, startTestGateway, type TestGateway } from './gateway.ts';
import { authorizePath, csrfOf, follow, PASSWORD, pkce, refresh, registered, tokens } from './rig.ts';

let world: World;
let gateway: TestGateway;
/** What the audit spool took. */
const recorded: string[] = [];
beforeAll(async () => {
  world = await createWorld();
  world.tokenKeys.rotate('EdDSA');
  gateway = await startTestGateway(world.authority);
}, 30_000);
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

async function start(database: DatabaseHost): Promise<Started> {
  const service = await startAuthService(world, database, {
    failureIntervalMs: 50,
    startAuditTrail: async () => ({
      record: async (event) => void recorded.push(JSON.stringify(event)),
      ready: async () => undefined,
      [Symbol.asyncDispose]: async () => undefined,
    }),
    config: {
      publicOrigin: gateway.origin,
      oauth: {
        httpPort: 0,
        allowDynamicRegistration: true,
        maxRegisteredClients: 10,
        registeredClientLifetimeMs: 3_600_000,
        allowPrivateMetadataHosts: [],
        metadataCaFile: undefined,
        clients: [],
      },
    },
  });
  await gateway.connect(service.httpPort ?? 0);
  return service;
}

test('what was allowed outlives the process, and nothing of it can be read in the database', async () => {
  await using database = await world.openDatabase();
  const browser = new Browser(gateway.origin, world.authority.ca.certPem);
  let clientId: string;
  let token: string;
  {
    world.keys.isAway = true;
    await using service = await start(database);
    const away = await browser.get('/.well-known/oauth-authorization-server');
    expect(away.status).toBe(503);
    await expect(service.readiness['key-service']?.()).rejects.toThrow(/key-service/u);
    world.keys.isAway = false;
    expect((await browser.get('/.well-known/oauth-authorization-server')).status).toBe(200);

    const admin = await service.as('user/admin');
    await admin.setPassword({ principal: 'user:alice', password: PASSWORD });
    clientId = await registered(browser, { client_name: 'Canary of a client' });
    const wrong = await follow(browser, await browser.get(authorizePath(browser.origin, clientId, pkce())));
    const form = { csrf: csrfOf(wrong.text), username: 'alice', password: 'wrong', action: 'sign-in' };
    expect((await browser.post(wrong.at, form)).status).toBe(401);

    const answer = await tokens(browser, clientId, { scope: 'context:read offline_access' });
    token = String(answer['refresh_token']);
    const { sessions } = await admin.listSessions({});
    expect(recorded.filter((event) => event.includes('sign_in:refused'))).toHaveLength(1);
    expect(sessions.map(({ principal, method }) => [principal, method])).toEqual([['user:alice', 'oauth']]);
    const metrics = await service.runtime.metrics.exposition();
    expect(metrics).toContain(
      'sallyport_auth_sign_in_steps_total{outcome="refused",service="auth-service"} 1',
    );
  }
  {
    await using service = await start(database);
    expect(service.httpPort).toBeGreaterThan(0);
    const next = await refresh(browser, clientId, token);
    expect(next.status).toBe(200);
    const admin = await service.as('user/admin');
    await admin.revokeSessions({ target: { case: 'principal', value: 'user:alice' }, cause: 'test' });
    expect((await refresh(browser, clientId, String(next.json()['refresh_token']))).status).toBe(400);
  }
}, 60_000);

test('rows hold neither names nor secrets', async () => {
  await using database = await world.openDatabase();
  const own = await database.forService<AuthSchema>('auth-service');
  const rows = await own.kysely.selectFrom('oauth_record').select(['id', 'sealed']).execute();
  expect(rows.length).toBeGreaterThan(0);
  const all = rows.map(({ id, sealed }) => Buffer.concat([id, sealed]).toString('latin1')).join('\n');
  for (const secret of ['alice', 'Canary', '127.0.0.1', 'context:read', 'clientId', 'redirect_uris'])
    expect(all).not.toContain(secret);
});
