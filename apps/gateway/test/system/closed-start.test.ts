/** A gateway proves for each door that its policy can say no there, before the first question is asked. */
import { FRAME_TYPE } from '@sallyport/channel';
import { ALLOW, DENY, fakeModule } from '@sallyport/policy-engine/testing';
import { afterEach, expect, test } from 'vitest';
import type { GatewayConfig } from '../../src/compose.ts';
import { deniedAtTheDoors } from '../../src/closed-doors.ts';
import { createWorld, until, type World, type WorldOptions } from '../support/world.ts';

const ROUTE = 'a-server-whose-name-is-long-enough-to-be-told-from-the-rest';
const door: NonNullable<GatewayConfig['door']> = {
  allowBearerTokens: false,
  servers: { [ROUTE]: { kind: 'http', url: 'http://127.0.0.1:9/mcp' } },
};

const worlds: World[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world[Symbol.asyncDispose]();
});
async function worldOf(options: WorldOptions): Promise<World> {
  const world = await createWorld(options);
  worlds.push(world);
  return world;
}

test('each door is asked about', () => {
  const routes = { orders: { kind: 'echo' } } as const;
  expect(Object.keys(deniedAtTheDoors({ routes, door }))).toEqual([
    'nobody at the secure channel: session.open',
    'nobody at the secure channel: message.send to orders',
    'nobody at the secure channel: message.send to sallyport.token',
    ...[
      ...['initialize', 'server.discover', 'tools.list', 'tools.call', 'resources.read', 'prompts.get'],
      ...['listen', 'end'],
    ].map((method) => `nobody at the Model Context Protocol door: context.${method} at ${ROUTE}`),
  ]);
});

test('the policy that is built in says no at both, so the gateway becomes ready', async () => {
  const world = await worldOf({ config: { door } });
  expect(world.logged()).not.toContain('refused');
});

/** What a module denies that passes the engine's own self-test and otherwise lets everybody do everything. */
const generous: readonly (readonly [string, number, Partial<GatewayConfig>])[] = [
  // By length of what is asked: beyond the self-test's, and beyond that of everything at the channel.
  ['secure channel: session.open', 248, {}],
  ['Model Context Protocol door: context.initialize', 300, { door }],
];
test.each(generous)(
  'a policy that allows everything to everybody at the %s',
  async (where, denies, config) => {
    const policyWasm = fakeModule({ short: DENY, long: ALLOW, shortInputBytes: denies });
    const world = await worldOf({ config, policyWasm, unready: ['policy'] });
    await until(async () => world.logged().includes('a policy bundle was refused'));
    expect(world.logged()).toContain(`self-test: the policy allows nobody at the ${where}`);
    expect(world.logged()).toContain('everything is denied until a good one comes');

    const { checks, ready } = await world.readiness.report();
    expect(ready).toBe(false);
    expect(checks.filter(({ ok }) => !ok)).toMatchObject([{ name: 'policy' }]);

    await using carrier = await world.carrier();
    const client = await world.handshake();
    carrier.send(client.start());
    const auth = await client.onServerHello(await carrier.next(FRAME_TYPE.serverHello));
    if (!auth.ok) throw new Error(auth.cause);
    carrier.send(auth.frame);
    const done = client.onAccept(await carrier.next(FRAME_TYPE.accept, FRAME_TYPE.reject));
    expect(done.ok ? 'accepted' : done.refusal?.code).not.toBe('accepted');
  },
);
