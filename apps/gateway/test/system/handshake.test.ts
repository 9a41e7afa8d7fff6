/** Handshakes that do not go as they should, over a real carrier (PROTOCOL.md "Half-open"). */
import { FRAME_TYPE, parseAlert, parseFrame } from '@sallyport/channel';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { RawCarrier } from '../support/raw-client.ts';
import { createWorld, until, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world[Symbol.asyncDispose]());
afterEach(() => world.services.broken.clear());

async function alertOf(carrier: RawCarrier): Promise<unknown> {
  const frame = parseFrame(await carrier.next(FRAME_TYPE.alert));
  return frame.ok ? parseAlert(frame.body) : frame;
}

const recorded = (cause: string): boolean =>
  world.events().some(({ data }) => JSON.stringify(data).includes(`"frames_rejected","cause":"${cause}"`));

test('the ninth under way on a carrier hears that the gateway is busy; those before it go on', async () => {
  await using carrier = await world.carrier();
  const clients = await Promise.all(Array.from({ length: 9 }, () => world.handshake()));
  for (const client of clients) carrier.send(client.start());
  expect(await alertOf(carrier)).toMatchObject({ code: 'busy', retryAfterMs: 1_000 });
  for (let count = 0; count < 8; count += 1) await carrier.next(FRAME_TYPE.serverHello);
  await until(() => recorded('busy'));
  await using another = await world.carrier();
  await (await world.session(another)).ping();
});

test('one abandoned after the proof of the gateway is counted and recorded', async () => {
  const before = await world.metric('handshakes_total', { result: 'abandoned' });
  {
    await using carrier = await world.carrier();
    carrier.send((await world.handshake()).start());
    await carrier.next(FRAME_TYPE.serverHello);
  }
  await until(async () => (await world.metric('handshakes_total', { result: 'abandoned' })) > before);
  await until(() => recorded('abandoned'));
});

test('ClientAuth for a session that nobody began', async () => {
  await using carrier = await world.carrier();
  const frame = new Uint8Array(200).fill(7);
  frame[0] = 1;
  frame[1] = FRAME_TYPE.clientAuth;
  carrier.send(frame);
  expect(await alertOf(carrier)).toMatchObject({ code: 'invalid_message' });
  await until(() => recorded('out_of_order'));
});

test('a second ClientAuth is refused and the first one counts', async () => {
  await using carrier = await world.carrier();
  const client = await world.handshake();
  carrier.send(client.start());
  const auth = await client.onServerHello(await carrier.next(FRAME_TYPE.serverHello));
  if (!auth.ok) throw new Error(auth.cause);
  carrier.send(auth.frame);
  carrier.send(auth.frame);
  expect(await alertOf(carrier)).toMatchObject({ code: 'invalid_message' });
  expect(client.onAccept(await carrier.next(FRAME_TYPE.accept))).toMatchObject({ ok: true });
});

test('a broken ClientAuth ends its handshake only', async () => {
  await using carrier = await world.carrier();
  const session = await world.session(carrier);
  const client = await world.handshake();
  carrier.send(client.start());
  const auth = await client.onServerHello(await carrier.next(FRAME_TYPE.serverHello));
  if (!auth.ok) throw new Error(auth.cause);
  const broken = auth.frame.slice();
  broken[100] = (broken[100] ?? 0) ^ 1;
  carrier.send(broken);
  expect(await alertOf(carrier)).toMatchObject({ code: 'invalid_message' });
  carrier.send(auth.frame);
  expect(await alertOf(carrier)).toMatchObject({ code: 'invalid_message' });
  await until(() => recorded('sealed_part'));
  await session.ping();
});

test('a principal without the right hears so, sealed; its session is given back', async () => {
  await using carrier = await world.carrier();
  await expect(world.session(carrier, 'nobody')).rejects.toThrow('refused: denied');
  await until(() => world.services.calls.some((call) => /^close .* denied$/u.test(call)));
  const row = () => world.records().find(({ principal }) => principal === 'user:nobody');
  // Recorded before it was refused; it comes here when the spool is shipped.
  await until(() => row() !== undefined);
  expect(row()).toMatchObject({ action: 'session.open', decision: 'deny' });
});

test.each(['authenticate', 'session_key'] as const)('%s away: refused retryably', async (service) => {
  world.services.broken.add(service);
  await using carrier = await world.carrier();
  await expect(world.session(carrier)).rejects.toThrow('refused: unavailable');
  world.services.broken.clear();
  await (await world.session(carrier)).ping();
});

test('a session that did not open for want of its key is given back', async () => {
  world.services.broken.add('session_key');
  await using carrier = await world.carrier();
  await expect(world.session(carrier)).rejects.toThrow('refused: unavailable');
  await until(() => world.services.calls.some((call) => call.endsWith(' service_unavailable')));
});
