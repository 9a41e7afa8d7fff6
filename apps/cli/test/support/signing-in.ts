/** A client's own sign-in: what the official libraries keep of it, the address it comes back to, and a person at the browser. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import type { OAuthClientProvider, OAuthDiscoveryState } from '@modelcontextprotocol/sdk/client/auth.js';
import type {
  OAuthClientInformationMixed,
  OAuthClientMetadata,
  OAuthTokens,
} from '@modelcontextprotocol/sdk/shared/auth.js';
import { startChromium } from '@sallyport/service/testing/chromium';
import type { Door } from './door.ts';

const PAGE_TIMEOUT_MS = 15_000;

export type Person = AsyncDisposable & {
  /** What a person does at the address that a client opened: user name, password, allow. Resolves when the client has its answer. */
  allow(url: URL): Promise<void>;
  /** The pages seen, as text. */
  readonly seen: readonly string[];
};

/** `program`: of the browser. Signs in as alice. */
export async function startPerson(program: string, door: Door): Promise<Person> {
  const origin = new URL(door.url(''));
  const chromium = await startChromium(program, await certificateOf(origin, door.ca));
  const seen: string[] = [];
  return {
    seen,
    async allow(url) {
      const password = (await readFile(door.passwordFile, 'utf8')).trim();
      const context = await chromium.browser.createBrowserContext();
      const page = await context.newPage();
      page.setDefaultTimeout(PAGE_TIMEOUT_MS);
      const read = async (): Promise<void> => {
        seen.push(String(await page.evaluate('document.body.innerText')));
      };
      const press = async (button: string): Promise<void> => {
        await Promise.all([page.waitForNavigation(), page.click(button)]);
      };
      await page.goto(url.href);
      await read();
      await page.type('#username', 'alice');
      await page.type('#password', password);
      await press('button[value=sign-in]');
      await read();
      await press('button[value=allow]');
      await context.close();
    },
    [Symbol.asyncDispose]: () => chromium[Symbol.asyncDispose](),
  };
}

/** PEM of what answers there, once it has proved to be of `ca`. */
async function certificateOf({ hostname, port }: URL, ca: string): Promise<string> {
  const socket = connect({ host: hostname, port: Number(port), servername: hostname, ca });
  await once(socket, 'secureConnect');
  const pem = socket.getPeerX509Certificate()?.toString() ?? '';
  socket.destroy();
  return pem;
}

export type Returned = AsyncDisposable & {
  readonly url: string;
  /** What the client was given there, once it was. */
  readonly parameters: Promise<URLSearchParams>;
};

/** The loopback address that a client on this computer listens at for the way back (RFC 8252 section 7.3). */
export async function listenForReturn(): Promise<Returned> {
  const { promise, resolve } = Promise.withResolvers<URLSearchParams>();
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname === '/callback') resolve(searchParams);
    response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`,
    parameters: promise,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/**
 * What the libraries ask of a program that uses them, and no more: it registers itself and keeps things in memory.
 * `clientMetadataUrl`: where it publishes what it is instead.
 */
export function signInProvider(
  returned: Returned,
  person: Person,
  clientMetadataUrl?: string,
): OAuthClientProvider {
  let information: OAuthClientInformationMixed | undefined;
  let tokens: OAuthTokens | undefined;
  let discovered: OAuthDiscoveryState | undefined;
  let verifier = '';
  const clientMetadata: OAuthClientMetadata = {
    client_name: 'stock client',
    redirect_uris: [returned.url],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  };
  return {
    redirectUrl: returned.url,
    clientMetadata,
    ...(clientMetadataUrl === undefined ? {} : { clientMetadataUrl }),
    clientInformation: () => information,
    saveClientInformation: (given) => void (information = given),
    tokens: () => tokens,
    saveTokens: (given) => void (tokens = given),
    codeVerifier: () => verifier,
    saveCodeVerifier: (given) => void (verifier = given),
    discoveryState: () => discovered,
    saveDiscoveryState: (given) => void (discovered = given),
    redirectToAuthorization: (url) => person.allow(url),
  };
}
