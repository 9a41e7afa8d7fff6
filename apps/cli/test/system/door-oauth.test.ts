/** From `npm start` to a tool call by a stock client's own OAuth: it registers, a browser opens, a person signs in and allows it. */
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findChromium } from '../support/chromium.ts';
import { startDoor, type Door } from '../support/door.ts';
import { listenForReturn, signInProvider, startPerson, type Person } from '../support/signing-in.ts';

const CLIENT_INFO = { name: 'stock-client', version: '1.0.0' };
const ECHO = { name: 'echo', arguments: { message: 'hello' } };
const ECHOED = [{ type: 'text', text: 'Echo: hello' }];

const program = findChromium();
const title = `sign-in at the door${program === undefined ? ' (skipped: chromium is not installed)' : ''}`;

describe.skipIf(program === undefined)(title, () => {
  const stack = new AsyncDisposableStack();
  let door: Door;
  let person: Person;
  let url: URL;
  beforeAll(async () => {
    door = stack.use(await startDoor({}));
    url = new URL(door.url('everything'));
    person = stack.use(await startPerson(program ?? '', door));
    // As NODE_EXTRA_CA_CERTS does it for a client in a process of its own.
    const usual = getCACertificates();
    setDefaultCACertificates([...usual, door.ca]);
    stack.defer(() => setDefaultCACertificates(usual));
  }, 90_000);
  afterAll(() => stack.disposeAsync());

  test('sdk 1: registers, is allowed, calls; once its session is revoked it is refused and asks again', async () => {
    await using returned = await listenForReturn();
    const authProvider = signInProvider(returned, person);
    const first = new HttpV1(url, { authProvider });
    await expect(new ClientV1(CLIENT_INFO).connect(first)).rejects.toBeInstanceOf(UnauthorizedError);
    const answer = await returned.parameters;
    expect(answer.get('iss')).toBe(url.origin);
    await first.finishAuth(answer.get('code') ?? '');

    const client = new ClientV1(CLIENT_INFO);
    // A new transport, which is refused from here on rather than sent to a browser again.
    await client.connect(
      new HttpV1(url, {
        authProvider: {
          ...authProvider,
          redirectToAuthorization: () => Promise.reject(new Error('asked to sign in again')),
        },
      }),
    );
    expect(await client.callTool(ECHO)).toMatchObject({ content: ECHOED });
    expect(person.seen[1]).toContain('stock client');
    expect(person.seen[1]).toContain(url.href);

    const sessions = await door.done('sessions', 'list', '--principal', 'user:alice');
    const [session] = sessions.filter(({ method }) => method === 'oauth');
    const sessionId = String(session?.['sessionId']);
    const [record] = await door.records(1, '--session', sessionId, '--target', 'echo');
    expect(record).toMatchObject({
      ...{ principal: 'user:alice', action: 'context.tools.call', destination: 'everything' },
      ...{ decision: 'allow', outcome: 'success' },
    });

    await door.done('sessions', 'revoke', sessionId);
    await expect(client.callTool(ECHO)).rejects.toThrow('asked to sign in again');
    await client.close();
  }, 60_000);

  test.each(['legacy', 'auto'] as const)(
    'client 2, revision %s: the same',
    async (mode) => {
      await using returned = await listenForReturn();
      const authProvider = signInProvider(returned, person);
      const options = { versionNegotiation: { mode } };
      const first = new HttpV2(url, { authProvider });
      await expect(new ClientV2(CLIENT_INFO, options).connect(first)).rejects.toThrow('Unauthorized');
      await first.finishAuth(await returned.parameters);

      const client = new ClientV2(CLIENT_INFO, options);
      await client.connect(new HttpV2(url, { authProvider }));
      expect(await client.callTool(ECHO)).toMatchObject({ content: ECHOED });
      // It asked to stay signed in, so it has what to renew its token with.
      expect(await authProvider.tokens()).toHaveProperty('refresh_token');
      await client.close();
    },
    60_000,
  );
});
