/** Requests whose bodies come slowly: what is decided meanwhile holds for them, and they take no room from others. */
import { request as httpsRequest, type RequestOptions } from 'node:https';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createPlaces } from '../../../src/door/http/places.ts';
import { nothing, ORIGIN, PING, proofKey, proofOf, SESSION, startFace, type Face } from '../support/face.ts';

type Begun = { readonly request: ClientRequest; readonly answer: Promise<IncomingMessage> };

/** Sends the head and the first bytes. */
function begin(
  face: Face,
  token: string | undefined,
  first: string,
  more: Pick<RequestOptions, 'path'> = {},
): Begun {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = httpsRequest(
    {
      ...{ host: '127.0.0.1', port: face.port, ca: face.caPem, agent: false, method: 'POST', path: '/mcp' },
      checkServerIdentity: () => undefined,
      ...more,
      headers: {
        host: new URL(ORIGIN).host,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2025-11-25',
        'transfer-encoding': 'chunked',
      },
    },
    resolve,
  );
  request.on('error', reject);
  request.write(first);
  promise.catch(() => undefined);
  return { request, answer: promise };
}

async function statusOf({ answer }: Begun): Promise<number> {
  const response = await answer;
  response.resume();
  return response.statusCode ?? 0;
}

const SILENCE: AsyncIterable<never> = {
  [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }),
};
const TEXT = JSON.stringify(PING);

describe('a message that is half sent', () => {
  test('when its session is revoked reaches no server', async () => {
    await using face = await startFace();
    const begun = begin(face, await face.token(), TEXT.slice(0, 10));
    while (face.door.underWay === 0) await delay(5);
    await delay(50);
    face.revoked.add(SESSION);
    face.door.endSession(SESSION);
    begun.request.end(TEXT.slice(10));
    expect(await statusOf(begun)).toBe(401);
    expect((await begun.answer).headers['www-authenticate']).toContain('invalid_token');
    expect(face.seen).toHaveLength(0);
    expect(face.refused).toEqual(['revoked']);
  });

  test('is not waited for once its session is revoked', async () => {
    await using face = await startFace();
    const begun = begin(face, await face.token(), TEXT.slice(0, 10));
    while (face.door.underWay === 0) await delay(5);
    await delay(50);
    face.door.endSession(SESSION);
    expect(await statusOf(begun)).toBe(401);
    begun.request.destroy();
  });

  test('when nobody can say any more what is revoked reaches no server', async () => {
    await using face = await startFace();
    const begun = begin(face, await face.token(), TEXT.slice(0, 10));
    while (face.door.underWay === 0) await delay(5);
    await delay(50);
    face.door.endAll();
    begun.request.end(TEXT.slice(10));
    expect(await statusOf(begun)).toBe(503);
    expect(face.seen).toHaveLength(0);
  });
});

describe('bytes that are held', () => {
  test('by one principal leave room for others', () => {
    const places = createPlaces({
      maxExchanges: 9,
      maxOfPrincipal: 9,
      maxBytes: 100,
      maxBytesOfPrincipal: 25,
    });
    const [first, second, third] = [places.take(), places.take(), places.take()];
    expect(first?.belongTo('a')).toBe(true);
    expect(second?.belongTo('a')).toBe(true);
    expect(third?.belongTo('b')).toBe(true);
    expect(first?.hold(20)).toBe(true);
    expect(second?.hold(10)).toBe(false);
    expect(third?.hold(20)).toBe(true);
    first?.leave();
    expect(second?.hold(10)).toBe(true);
  });

  test('by half-sent messages of one principal leave room for another', { timeout: 30_000 }, async () => {
    await using face = await startFace({ maxBodyBytes: 16 * 1024 * 1024 });
    const mallory = await face.token({ sub: 'user:mallory' });
    const almostAll = 'x'.repeat(16 * 1024 * 1024 - 1);
    const begun = Array.from({ length: 8 }, () => begin(face, mallory, almostAll));
    for (const { answer } of begun)
      void answer.then(
        (response) => response.resume(),
        () => undefined,
      );
    while (face.door.underWay < 1) await delay(5);
    await delay(2_000);
    const answer = await face.send();
    for (const { request } of begun) request.destroy();
    expect(answer.status).toBe(200);
  });
});

describe('requests for auth-service', () => {
  test('that nobody finishes leave places for the door', async () => {
    await using face = await startFace({
      maxConcurrent: 8,
      forward: (request) => new Promise((resolve) => request.once('close', () => resolve())),
    });
    const begun = Array.from({ length: 8 }, () => begin(face, undefined, 'x', { path: '/oauth/token' }));
    for (const { answer } of begun)
      void answer.then(
        (response) => response.resume(),
        () => undefined,
      );
    while (face.door.underWay < 2) await delay(5);
    await delay(200);
    const answer = await face.send();
    for (const { request } of begun) request.destroy();
    expect(answer.status).toBe(200);
  });
});

test('a client that leaves while its proof is looked up leaves nothing behind', async () => {
  const looking = Promise.withResolvers<'new'>();
  let isAsked = false;
  await using face = await startFace({
    proofs: { claim: () => ((isAsked = true), looking.promise), histories: () => [] },
    server: { listen: () => Promise.resolve({ ...nothing(200), kind: 'events', messages: SILENCE }) },
  });
  const key = await proofKey();
  const token = await face.token({ cnf: { jkt: key.thumbprint } });
  const proof = await proofOf(key, token, face.clock.now(), { claims: { htm: 'GET' } });
  const request = httpsRequest({
    ...{ host: '127.0.0.1', port: face.port, ca: face.caPem, agent: false, path: '/mcp' },
    checkServerIdentity: () => undefined,
    headers: {
      host: new URL(ORIGIN).host,
      authorization: `DPoP ${token}`,
      dpop: proof,
      accept: 'text/event-stream',
      'mcp-protocol-version': '2025-11-25',
    },
  });
  request.on('error', () => undefined);
  request.end();
  while (!isAsked) await delay(5);
  request.destroy();
  await delay(100);
  looking.resolve('new');
  await delay(100);
  expect(face.seen).toHaveLength(0);
  expect(face.door.underWay).toBe(0);
});
