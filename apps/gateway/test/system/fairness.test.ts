/** One client among others: what it may hold of the gateway, and what it may not take from them. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { createWorld, request, until, type World, type WorldOptions } from '../support/world.ts';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

const MANY = { maxMessages: 1_000, maxBytes: 1_000_000 };

async function worldOf(options: WorldOptions): Promise<World> {
  const world = await createWorld(options);
  cleanUp.push(async () => world[Symbol.asyncDispose]());
  return world;
}

/** Answers nobody; `release` breaks off what waits. */
async function hangingUpstream() {
  const server = createServer(() => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanUp.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const route = { kind: 'http', url, timeoutMs: 60_000, maxResponseBytes: 1_000 } as const;
  return { route, release: () => server.closeAllConnections() };
}

test('a principal with all its sessions open is told busy, the next one is not, and one that ends makes room', async () => {
  const world = await worldOf({ overrides: { shareLimits: { ...MANY, maxSessions: 2 } } });
  const carrier = await world.carrier();
  await world.session(carrier, 'alice');
  const second = await world.carrier();
  await world.session(second, 'alice');
  await expect(world.session(carrier, 'alice')).rejects.toThrow('refused: busy');
  await until(() => world.services.calls.some((call) => call.endsWith('too_many_sessions')));
  await (await world.session(carrier, 'bob')).ping();
  await second[Symbol.asyncDispose]();
  await until(async () => (await world.metric('sessions')) === 2);
  await (await world.session(carrier, 'alice')).ping();
});

test('a principal that fills its share from many sessions hears busy; another goes on', async () => {
  const upstream = await hangingUpstream();
  const world = await worldOf({
    routes: { echo: { kind: 'echo' }, hangs: upstream.route },
    overrides: { shareLimits: { maxMessages: 8, maxBytes: 1_000_000, maxSessions: 10 } },
  });
  const carrier = await world.carrier();
  const sessions = [await world.session(carrier, 'alice'), await world.session(carrier, 'alice')] as const;
  for (const { seal } of sessions)
    carrier.send(seal(...Array.from({ length: 4 }, () => request('hangs', 'x'))));
  await until(async () => (await world.metric('messages_in_flight')) === 8);
  carrier.send(sessions[0].seal(request('echo', 'one too many')));
  expect((await sessions[0].answers())[0]).toMatchObject({ kind: 'refusal', text: 'busy' });
  await (await world.session(carrier, 'bob')).ping();
  upstream.release();
});
