import { afterAll, beforeAll, expect, test } from 'vitest';
import { createWorld, request, until, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

test('a message is answered, its decision and its outcome are recorded', async () => {
  await using carrier = await world.carrier();
  const session = await world.session(carrier);
  carrier.send(session.seal(request('echo', 'one'), request('echo', 'two'), request('nowhere', 'three')));
  const seen = await session.answers();
  expect(seen.filter(({ kind }) => kind !== 'control').map(({ text }) => text)).toEqual([
    'one',
    'two',
    'unknown_destination',
  ]);
  await until(() => world.records().filter(({ sessionId }) => sessionId === session.id).length >= 7);
  const rows = world.records().filter(({ sessionId, seq }) => sessionId === session.id && seq > 0n);
  expect(rows.map(({ phase, decision, outcome, seq }) => [phase, decision, outcome, seq])).toEqual([
    ['decision', 'allow', '', 1n],
    ['decision', 'allow', '', 2n],
    ['decision', 'allow', '', 3n],
    ['outcome', '', 'success', 1n],
    ['outcome', '', 'success', 2n],
    ['outcome', '', 'refused', 3n],
  ]);
  expect(rows.every(({ principal }) => principal === 'user:alice')).toBe(true);
});
