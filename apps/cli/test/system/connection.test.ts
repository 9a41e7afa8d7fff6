/**
 * Several sessions of several principals on one connection to the real gateway, each bound to its TLS connection.
 *
 * Budget: 20 s on two cores, most of it the start.
 */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openConnection, type Channel, type Connection } from '@sallyport/client';
import { DEVELOPMENT_TRUST_DOMAIN } from '../../src/state/identities.ts';
import { freePortBase } from '../support/ports.ts';
import { startSystem, type Started } from '../support/running-system.ts';
import { json } from '../support/session.ts';
import { temporaryHome, type TemporaryHome } from '../support/temporary-home.ts';

const START_MS = 90_000;

let home: TemporaryHome;
let system: Started;

beforeAll(async () => {
  home = await temporaryHome(await freePortBase());
  system = await startSystem(home);
}, START_MS);

afterAll(async () => {
  await system[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
}, START_MS);

async function connection(): Promise<Connection> {
  const caPem = await readFile(home.caFile, 'utf8');
  const trust = { caPem, trustDomain: DEVELOPMENT_TRUST_DOMAIN };
  return openConnection({ address: `localhost:${home.ports.channel}`, trust });
}

async function open(on: Connection, name: string): Promise<Channel> {
  const files = home.identityFiles(name);
  const [certPem, key] = await Promise.all([readFile(files.cert, 'utf8'), readFile(files.key, 'utf8')]);
  return on.open({ credential: { kind: 'certificate', certPem, key }, channelBinding: 'required' });
}

const echo = async (channel: Channel, value: unknown): Promise<unknown> => {
  const { body } = await channel.request('echo', json(value), { contentType: 'application/json' });
  return JSON.parse(new TextDecoder().decode(body));
};

test('sessions of three principals share a connection, and each is decided for itself', async () => {
  await using shared = await connection();
  const [admin, alice, guest] = await Promise.all(
    ['admin', 'alice', 'guest'].map((name) => open(shared, name)),
  );
  if (admin === undefined || alice === undefined || guest === undefined) throw new Error('three were opened');
  expect(new Set([admin.sessionId, alice.sessionId, guest.sessionId]).size).toBe(3);
  expect([admin.principal, alice.principal, guest.principal]).toEqual([
    'user:admin',
    'user:alice',
    'user:guest',
  ]);
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) => echo(index % 2 === 0 ? admin : alice, { index })),
  );
  expect(answers).toEqual(Array.from({ length: 40 }, (_, index) => ({ index })));
  await expect(echo(guest, {})).rejects.toMatchObject({ kind: 'refusal', code: 'denied' });
});

test('the end of one session leaves the others and the connection alone', async () => {
  await using shared = await connection();
  const first = await open(shared, 'alice');
  const second = await open(shared, 'admin');
  await first.close();
  await expect(echo(first, {})).rejects.toMatchObject({ kind: 'closed' });
  expect(await echo(second, { still: 'here' })).toEqual({ still: 'here' });
  const third = await open(shared, 'alice');
  expect(await echo(third, [3])).toEqual([3]);
  expect(shared.closedBy).toBeUndefined();
});
