/**
 * The HTTPS port that the gateway forwards to: mutual TLS 1.3, the gateway and nobody else. The browser's connection ends
 * at the gateway; what it says of the browser's address is believed, and nothing else of what it forwards.
 */
import { constants } from 'node:crypto';
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { peerVerifier, type Identity, type PeerVerifier, type Trust } from '@sallyport/service/identity';
import { errorPage } from './pages/plain-pages.ts';
import { isGateway } from './request.ts';
import { sendJson, sendPage } from './answers.ts';
import { routeOf, type Route } from './router.ts';

export type ListenerOptions = {
  readonly host: string;
  readonly port: number;
  readonly identity: Identity;
  readonly trust: Trust;
  /** Answers; rejects with `unavailable` while the service cannot. */
  readonly handle: (request: IncomingMessage, response: ServerResponse, route: Route) => Promise<void>;
  readonly onAnswer: (route: Route, status: number) => void;
  readonly onProblem: (error: unknown) => void;
};

export type Listener = AsyncDisposable & { readonly port: number };

const TIMEOUT_MS = 10_000;
/** Longer than a gateway keeps its idle connections. */
const KEEP_ALIVE_MS = 65_000;
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_CONNECTIONS = 512;

/** Listens, or rejects with what listening threw. */
export async function startListener(options: ListenerOptions): Promise<Listener> {
  const { identity, trust } = options;
  const peers = peerVerifier(trust);
  const server = createServer(
    {
      cert: identity.certPem,
      key: identity.key.export({ format: 'pem', type: 'pkcs8' }),
      ca: trust.caPem,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
      // A resumed session would skip the check of the gateway's certificate.
      secureOptions: constants.SSL_OP_NO_TICKET,
      handshakeTimeout: TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_MS,
      requestTimeout: TIMEOUT_MS,
      headersTimeout: TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    (request, response) => void answer(options, peers, request, response),
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: options.host, port: options.port }, () => {
      server.removeListener('error', reject);
      // Such as too many open files while accepting: the next connection may do better.
      server.on('error', options.onProblem);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const drained = setTimeout(() => server.closeAllConnections(), 1_000);
      await closed;
      clearTimeout(drained);
    },
  };
}

async function answer(
  options: ListenerOptions,
  peers: PeerVerifier,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const route = routeOf((request.url ?? '/').split('?', 1)[0] ?? '/');
  response.once('close', () => options.onAnswer(route, response.statusCode));
  try {
    if (!isGateway(request, peers))
      return sendJson(response, { status: 403, body: { error: 'access_denied' } });
    await options.handle(request, response, route);
  } catch (error) {
    options.onProblem(error);
    if (response.headersSent) return void response.destroy();
    if (route === 'authorization' || route === 'sign_in' || route === 'sign_out')
      return sendPage(response, errorPage(503, 'temporarily_unavailable'));
    sendJson(response, {
      status: 503,
      headers: { 'retry-after': '1' },
      body: { error: 'temporarily_unavailable', error_description: 'try again in a moment' },
    });
  }
}
