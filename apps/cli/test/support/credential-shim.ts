/**
 * Stands before a gateway for clients that cannot send a credential: plain HTTP on loopback to the gateway's HTTPS, with an
 * access token added and nothing else changed. `Host` and `Origin` arrive as the client sent them; bodies stream both ways.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';

export type AccessToken = { readonly access_token: string; readonly expires_in: number };

export type Shim = AsyncDisposable & { readonly url: string };

export type ShimOptions = {
  /** E.g. `https://localhost:8443/mcp/everything`. */
  readonly target: string;
  readonly ca: string;
  /** A new one each time. */
  readonly issue: () => Promise<AccessToken>;
};

export async function startCredentialShim({ target, ca, issue }: ShimOptions): Promise<Shim> {
  const to = new URL(target);
  const agent = new Agent({ keepAlive: true, ca, servername: to.hostname });
  const token = renewed(issue);

  async function forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const authorization = `Bearer ${await token()}`;
    const outgoing = httpsRequest({
      agent,
      host: to.hostname,
      port: to.port,
      path: to.pathname,
      method: request.method,
      headers: { ...request.headers, authorization },
      setDefaultHeaders: false,
    });
    outgoing.on('response', (incoming) => {
      response.writeHead(incoming.statusCode ?? 502, incoming.headers);
      response.flushHeaders();
      incoming.pipe(response).on('close', () => incoming.destroy());
      incoming.on('error', () => response.destroy());
    });
    // What goes wrong here is no answer of the gateway: the client must not take it for one.
    outgoing.on('error', () => response.destroy());
    response.on('close', () => outgoing.destroy());
    request.pipe(outgoing);
  }

  const server = createServer((request, response) => {
    forward(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    async [Symbol.asyncDispose]() {
      agent.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** One token for all requests until four fifths of its life are over. */
function renewed(issue: () => Promise<AccessToken>): () => Promise<string> {
  let current: Promise<{ readonly value: string; readonly until: number }> | undefined;
  return async () => {
    const held = await current?.catch(() => undefined);
    if (held !== undefined && performance.now() < held.until) return held.value;
    current = issue().then((token) => ({
      value: token.access_token,
      until: performance.now() + token.expires_in * 800,
    }));
    return (await current).value;
  };
}
