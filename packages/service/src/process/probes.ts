/**
 * The HTTPS port of a process: health, readiness and metrics, and what else is mounted on it.
 *
 * Liveness is static, readiness asks the ports (STYLE.md rule 15). No caller is authenticated on these three, so they
 * say what an operator's probe needs and nothing about principals or messages.
 */
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toHttpProblem, notFound, problemMediaType, SallyportError } from '../errors/index.ts';
import type { Identity } from '../identity/index.ts';
import type { Readiness } from '../lifecycle/index.ts';
import type { Metrics } from '../metrics/index.ts';

export type ProbesOptions = {
  readonly host: string;
  readonly port: number;
  readonly identity: Identity;
  readonly readiness: Pick<Readiness, 'report'>;
  readonly metrics: Pick<Metrics, 'exposition' | 'contentType'>;
};

/** What else the port serves. `/healthz`, `/readyz` and `/metrics` stay what they are. */
export type Mount = {
  /** Whether the path, without its query, is this mount's. */
  readonly matches: (pathname: string) => boolean;
  /** Owns the response from here on, and may stream. What it throws or rejects with ends the connection. */
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void> | void;
  /** Connections of the port at most; the largest of all mounts counts. Default 512. */
  readonly maxConnections?: number;
};

export type Probes = AsyncDisposable & {
  readonly port: number;
  /** From now on, until disposed. The first mount that matches serves. */
  handle(mount: Mount): Disposable;
};

const HANDSHAKE_TIMEOUT_MS = 5_000;
/** For the head of a request, and for all of it with its body: slow ones are answered 408 and cut. */
const REQUEST_TIMEOUT_MS = 10_000;
/** Longer than what load balancers wait before they take a connection for another request. */
const KEEP_ALIVE_MS = 65_000;
const PROBES_KEEP_ALIVE_MS = 5_000;
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_CONNECTIONS = 512;

type Answer = {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly allow?: string;
};

/** Listens, or throws what listening threw. */
export async function startProbes(options: ProbesOptions): Promise<Probes> {
  const mounts = new Set<Mount>();
  const server = createServer(
    {
      cert: options.identity.certPem,
      key: options.identity.key.export({ format: 'pem', type: 'pkcs8' }),
      minVersion: 'TLSv1.3',
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      connectionsCheckingInterval: HANDSHAKE_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    (request, response) => {
      // None may reject; should one, only this connection is lost.
      serve(request, response).catch(() => response.destroy());
    },
  );

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pathname = pathOf(request);
    if (!PROBES.has(pathname)) {
      for (const mount of mounts) if (mount.matches(pathname)) return mount.handle(request, response);
    }
    send(response, await answer(request, options));
  }

  function bound(): void {
    const asked = Array.from(mounts, ({ maxConnections }) => maxConnections ?? 0);
    server.maxConnections = Math.max(MAX_CONNECTIONS, ...asked);
    server.keepAliveTimeout = mounts.size > 0 ? KEEP_ALIVE_MS : PROBES_KEEP_ALIVE_MS;
  }
  bound();
  // A client that breaks the protocol is its own problem; without a listener Node would answer it in clear.
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  await listen(server, options.host, options.port);
  // Such as too many open files while accepting: the next connection may do better.
  server.on('error', () => undefined);
  return {
    port: (server.address() as AddressInfo).port,
    handle(mount) {
      mounts.add(mount);
      bound();
      return {
        [Symbol.dispose]() {
          mounts.delete(mount);
          bound();
        },
      };
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

const PROBES: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0] ?? '/';
}

async function answer(request: IncomingMessage, options: ProbesOptions): Promise<Answer> {
  const pathname = pathOf(request);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    const value = { type: 'about:blank', title: 'Method not allowed', status: 405 };
    const body = `${JSON.stringify({ ...value, detail: `${pathname.slice(0, 100)} takes GET only.` })}\n`;
    return { status: 405, type: problemMediaType, body, allow: 'GET, HEAD' };
  }
  try {
    switch (pathname) {
      case '/healthz':
        return { status: 200, type: 'application/json', body: '{"status":"alive"}\n' };
      case '/readyz': {
        const report = await options.readiness.report();
        const body = `${JSON.stringify(report)}\n`;
        return { status: report.ready ? 200 : 503, type: 'application/json', body };
      }
      case '/metrics':
        return { status: 200, type: options.metrics.contentType, body: await options.metrics.exposition() };
      default:
        return problem(
          notFound(
            `There is nothing at ${pathname.slice(0, 100)}. Here are /healthz, /readyz and /metrics; at a gateway with a door, /mcp.`,
          ),
        );
    }
  } catch {
    return problem(new SallyportError('internal', 'The probe itself failed.'));
  }
}

function problem(error: SallyportError): Answer {
  const value = toHttpProblem(error);
  return { status: value.status, type: problemMediaType, body: `${JSON.stringify(value)}\n` };
}

function send(response: ServerResponse, { status, type, body, allow }: Answer): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(allow === undefined ? {} : { allow }),
  });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}
