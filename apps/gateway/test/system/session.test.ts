/** A session's life over a real carrier: effects exactly once, revocation, leases, and the end of the gateway. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { create, toBinary } from '@bufbuild/protobuf';
import { controlMessage } from '@sallyport/channel';
import { fromHex, toHex } from '@sallyport/crypto';
import { eventsv1 } from '@sallyport/proto';
import { afterEach, describe, expect, test } from 'vitest';
import { revocationFeed } from '@sallyport/service/feed';
import { createWorld, request, until, type World, type WorldOptions } from '../support/world.ts';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

async function worldOf(options: WorldOptions = {}): Promise<World> {
  const world = await createWorld(options);
  let ended: Promise<void> | undefined;
  const end = (): Promise<void> => (ended ??= Promise.resolve(world[Symbol.asyncDispose]()));
  cleanUp.push(end);
  return { ...world, [Symbol.asyncDispose]: end };
}

type Upstream = { readonly url: string; readonly keys: string[]; readonly open: ServerResponse[] };

/** Answers at once, or holds every request until the test answers it. */
async function upstream(isHolding = false): Promise<Upstream> {
  const keys: string[] = [];
  const open: ServerResponse[] = [];
  const server = createServer((incoming, response) => {
    keys.push(String(incoming.headers['idempotency-key']));
    incoming.resume().on('end', () => (isHolding ? void open.push(response) : response.end('done')));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanUp.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, keys, open };
}

const routeTo = ({ url }: Upstream) => ({
  routes: {
    echo: { kind: 'echo' as const },
    orders: { kind: 'http' as const, url, timeoutMs: 5_000, maxResponseBytes: 65_536 },
  },
});

const announce = (world: World, sessionId: string, number = 1n): Promise<void> =>
  world.bus.publish(
    revocationFeed.subject,
    toBinary(
      eventsv1.SessionRevokedSchema,
      create(eventsv1.SessionRevokedSchema, { number, sessionId: fromHex(sessionId) ?? new Uint8Array() }),
    ),
  );

const rowsOf = (world: World, id: string) => world.records().filter(({ sessionId }) => sessionId === id);

describe('exactly once', () => {
  test('the same correlation sent again is one effect, while it runs and after', async () => {
    const held = await upstream(true);
    const world = await worldOf(routeTo(held));
    const carrier = await world.carrier();
    const session = await world.session(carrier);
    const message = request('orders', '{"n":1}');
    carrier.send(session.seal(message));
    await until(() => held.open.length === 1);
    carrier.send(session.seal(message));
    expect((await session.answers())[0]).toMatchObject({ kind: 'refusal', text: 'running' });
    held.open[0]?.end('made');
    expect((await session.answers())[0]).toMatchObject({ kind: 'response', text: 'made' });
    carrier.send(session.seal(message));
    expect((await session.answers())[0]).toMatchObject({ kind: 'response', text: 'made' });
    expect(held.keys).toEqual([`${session.id}-${toHex(message.correlation)}`]);
    await until(() => rowsOf(world, session.id).filter(({ phase }) => phase === 'decision').length === 3);
    expect(rowsOf(world, session.id).filter(({ phase }) => phase === 'outcome')).toHaveLength(1);
    await carrier[Symbol.asyncDispose]();
  });

  test('twice in one frame is one effect', async () => {
    const instant = await upstream();
    const world = await worldOf(routeTo(instant));
    await using carrier = await world.carrier();
    const session = await world.session(carrier);
    const message = request('orders', '{}');
    carrier.send(session.seal(message, message));
    const seen = [...(await session.answers()), ...(await session.answers())];
    expect(
      seen
        .filter(({ kind }) => kind !== 'control')
        .map(({ text }) => text)
        .sort(),
    ).toEqual(['done', 'running']);
    expect(instant.keys).toHaveLength(1);
  });
});

describe('the end of a session', () => {
  test('revoked: its client hears so at once, its frames are refused, others go on', async () => {
    const world = await worldOf();
    await using carrier = await world.carrier();
    const session = await world.session(carrier);
    const other = await world.session(carrier, 'bob');
    await session.ping();
    await announce(world, session.id);
    expect((await session.answers())[0]).toMatchObject({ kind: 'control' });
    for (let sent = 0; sent < 20; sent += 1) carrier.send(session.seal(request('echo', 'late')));
    await until(async () => (await world.metric('frames_rejected_total', { cause: 'session_ended' })) === 20);
    await other.ping();
    await until(() => world.services.calls.includes(`destroy ${session.id}`));
    // The other's ping came later: with its record here, so would be any of the twenty.
    await until(() => rowsOf(world, other.id).some(({ phase }) => phase === 'outcome'));
    expect(rowsOf(world, session.id).filter(({ phase }) => phase === 'outcome')).toHaveLength(1);
  });

  test('gone while a message is under way: its outcome is recorded all the same', async () => {
    const held = await upstream(true);
    const world = await worldOf(routeTo(held));
    const carrier = await world.carrier();
    const session = await world.session(carrier);
    carrier.send(session.seal(request('orders', '{}')));
    await until(() => held.open.length === 1);
    await carrier[Symbol.asyncDispose]();
    await until(() => world.services.calls.includes(`close ${session.id} carrier_closed`));
    held.open[0]?.end('made');
    await until(() =>
      rowsOf(world, session.id).some(
        ({ destination, outcome }) => destination === 'orders' && outcome === 'success',
      ),
    );
  });

  test('closed by its client: what came before in the same frame is carried out', async () => {
    const instant = await upstream();
    const world = await worldOf(routeTo(instant));
    await using carrier = await world.carrier();
    const session = await world.session(carrier);
    const closing = controlMessage({ kind: 'close', code: 'unavailable', retryAfterMs: 0, detail: '' });
    carrier.send(session.seal(request('orders', '{}', { kind: 'notification' }), closing));
    await until(() =>
      rowsOf(world, session.id).some(
        ({ destination, outcome }) => destination === 'orders' && outcome === 'success',
      ),
    );
    await until(() => world.services.calls.includes(`close ${session.id} closed_by_client`));
    expect(instant.keys).toHaveLength(1);
  });

  test('half closed: what is under way is answered, then the connection ends', async () => {
    const held = await upstream(true);
    const world = await worldOf(routeTo(held));
    await using carrier = await world.carrier();
    const session = await world.session(carrier);
    carrier.send(session.seal(request('orders', '{}')));
    await until(() => held.open.length === 1);
    carrier.halfClose();
    held.open[0]?.end('made');
    expect((await session.answers())[0]).toMatchObject({ kind: 'response', text: 'made' });
    await carrier.ended;
  });

  test('past its lease: refused, recorded, closed', async () => {
    const world = await worldOf({ leaseMs: 1 });
    await using carrier = await world.carrier();
    const session = await world.session(carrier);
    await new Promise((resolve) => setTimeout(resolve, 20));
    carrier.send(session.seal(request('echo', 'late')));
    expect((await session.answers())[0]).toMatchObject({ kind: 'control' });
    await until(() => rowsOf(world, session.id).some(({ reason }) => reason === 'lease_expired'));
    expect(rowsOf(world, session.id).some(({ phase }) => phase === 'outcome')).toBe(false);
  });
});

describe('the end of the gateway', () => {
  test('waits for what is under way, answers it, refuses what is new', async () => {
    const held = await upstream(true);
    const world = await worldOf(routeTo(held));
    await using carrier = await world.carrier();
    const session = await world.session(carrier);
    carrier.send(session.seal(request('orders', '{}')));
    await until(() => held.open.length === 1);
    const ended = world[Symbol.asyncDispose]();
    carrier.send(session.seal(request('orders', '{}')));
    expect((await session.answers())[0]).toMatchObject({ kind: 'refusal', text: 'unavailable' });
    held.open[0]?.end('made');
    expect((await session.answers())[0]).toMatchObject({ kind: 'response', text: 'made' });
    await ended;
    expect(held.keys).toHaveLength(1);
    await carrier.ended;
  });

  test('is quick although clients are connected', async () => {
    const world = await worldOf();
    await using carrier = await world.carrier();
    await (await world.session(carrier)).ping();
    const startedAt = performance.now();
    await world[Symbol.asyncDispose]();
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });
});
