/** From `npm start` to a tool call by a stock client's own OAuth: it registers, a browser opens, a person signs in and allows it. */
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client';
import { UnauthorizedError, type OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { findChromium } from '@sallyport/service/testing/chromium';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startDocumentHost, type DocumentHost } from '../support/document-host.ts';
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
  let documents: DocumentHost;
  let person: Person;
  let url: URL;
  beforeAll(async () => {
    documents = stack.use(await startDocumentHost());
    const published = { allowPrivateMetadataHosts: [documents.host], metadataCaFile: documents.caFile };
    door = stack.use(await startDoor({}, 'embedded', published));
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
    const clientId = String((await authProvider.clientInformation())?.client_id);
    const table = (await door.sallyport('sessions', 'list', '--principal', 'user:alice')).out;
    const row = table.split('\n').find((line) => line.startsWith(sessionId));
    expect(row?.split(/ +/u)).toEqual(expect.arrayContaining(['token', 'oauth', clientId]));
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

  /** Connects as each library does, `finish` what a sign-in that began needs from there on. */
  const libraries = {
    'sdk 1': {
      connect: async (authProvider: OAuthClientProvider) => {
        const client = new ClientV1(CLIENT_INFO);
        await client.connect(new HttpV1(url, { authProvider }));
        return client;
      },
      finish: (authProvider: OAuthClientProvider, answer: URLSearchParams) =>
        new HttpV1(url, { authProvider }).finishAuth(answer.get('code') ?? ''),
    },
    'client 2': {
      connect: async (authProvider: OAuthClientProvider) => {
        const client = new ClientV2(CLIENT_INFO);
        await client.connect(new HttpV2(url, { authProvider }));
        return client;
      },
      finish: (authProvider: OAuthClientProvider, answer: URLSearchParams) =>
        new HttpV2(url, { authProvider }).finishAuth(answer),
    },
  };
  test.each([
    ['sdk 1', 'first'],
    ['client 2', 'second'],
  ] as const)(
    '%s: is who its metadata document says, registers nowhere, calls',
    async (library, program) => {
      const { connect, finish } = libraries[library];
      const clientId = documents.url(program);
      await using returned = await listenForReturn();
      const authProvider = signInProvider(returned, person, clientId);
      documents.publish(program, { ...authProvider.clientMetadata, client_name: `documented ${library}` });
      await expect(connect(authProvider)).rejects.toThrow('Unauthorized');
      expect(documents.asked).toContain(clientId);
      expect(person.seen.at(-1)).toContain(`documented ${library}`);
      await finish(authProvider, await returned.parameters);
      expect(await authProvider.clientInformation()).toMatchObject({ client_id: clientId });

      const client = await connect(authProvider);
      expect(await client.callTool(ECHO)).toMatchObject({ content: ECHOED });
      await client.close();
    },
    60_000,
  );
});
