/** More than there is room for: served or told to come again, with probes that still answer. */
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Agent, fetch } from 'undici';
import { isRequest, resultResponse } from '@sallyport/model-context';
import { createPlaces } from '../../../src/door/http/places.ts';
import { jsonOf, nothing, PING, startFace } from '../support/face.ts';

const COUNT = 2_000;

describe('many at once', () => {
  test(`${COUNT} requests with room for 20: each is served or told to come again`, async () => {
    let most = 0;
    let now = 0;
    await using face = await startFace({
      maxConcurrent: 80,
      server: {
        async send({ message }) {
          most = Math.max(most, (now += 1));
          await delay(250);
          now -= 1;
          return isRequest(message) ? jsonOf(resultResponse(message.id, {})) : nothing(202);
        },
      },
    });
    const token = await face.token();
    const agent = new Agent({
      connections: 500,
      connect: { ca: face.caPem, checkServerIdentity: () => undefined },
    });
    const probe = face.send({ method: 'GET', path: '/healthz' });
    const answers = await Promise.all(
      Array.from({ length: COUNT }, async () => {
        const response = await fetch(`https://localhost:${face.port}/mcp`, {
          method: 'POST',
          dispatcher: agent,
          body: JSON.stringify(PING),
          headers: {
            authorization: `Bearer ${token}`,
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
          },
        });
        await response.arrayBuffer();
        return { status: response.status, retryAfter: response.headers.get('retry-after') };
      }),
    );
    const served = answers.filter(({ status }) => status === 200).length;
    const told = answers.filter(({ status, retryAfter }) => status === 503 && retryAfter === '1').length;
    expect(served + told).toBe(COUNT);
    expect(served).toBeGreaterThan(0);
    expect(told).toBeGreaterThan(0);
    // A quarter of the places is what one principal may have.
    expect(most).toBeLessThanOrEqual(20);
    expect((await probe).status).toBe(200);
    await agent.destroy();
    expect(face.door.underWay).toBe(0);
  }, 60_000);

  test('one principal leaves room for others', async () => {
    const held: (() => void)[] = [];
    await using face = await startFace({
      maxConcurrent: 8,
      server: {
        send: () => new Promise((resolve) => held.push(() => resolve(nothing(202)))),
      },
    });
    const alice = Array.from({ length: 4 }, () => face.send());
    const bob = await face.token({ sub: 'user:bob' });
    while (held.length < 2) await delay(5);
    await delay(50);
    const more = face.send({ token: bob });
    while (held.length < 3) await delay(5);
    for (const free of held) free();
    expect((await more).status).toBe(202);
    const statuses = (await Promise.all(alice)).map(({ status }) => status).sort((a, b) => a - b);
    expect(statuses).toEqual([202, 202, 503, 503]);
  });
});

describe('places', () => {
  const limits = { maxExchanges: 2, maxOfPrincipal: 1, maxBytes: 100, maxBytesOfPrincipal: 80 };
  test('are counted, and freed once', async () => {
    const places = createPlaces(limits);
    const [first, second] = [places.take(), places.take()];
    expect(places.take()).toBeUndefined();
    first?.leave();
    first?.leave();
    expect(places.taken).toBe(1);
    second?.leave();
    await places.idle();
  });

  test('of one principal, and bytes of all', () => {
    const places = createPlaces(limits);
    const [first, second] = [places.take(), places.take()];
    expect(first?.belongTo('a')).toBe(true);
    expect(second?.belongTo('a')).toBe(false);
    expect(second?.belongTo('b')).toBe(true);
    expect(first?.hold(60)).toBe(true);
    expect(second?.hold(60)).toBe(false);
    first?.leave();
    expect(second?.hold(60)).toBe(true);
    expect(places.take()?.belongTo('a')).toBe(true);
  });
});
