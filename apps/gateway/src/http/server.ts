/**
 * The HTTPS port: health, readiness and metrics. The Model Context Protocol and the WebSocket carrier will join here.
 *
 * Liveness is static, readiness asks the ports (STYLE.md rule 15). No caller is authenticated on these three, so they
 * say what an operator's probe needs and nothing about principals or messages.
 */
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toHttpProblem, notFound, problemMediaType, SallyportError } from '@sallyport/service/errors';
import type { Identity } from '@sallyport/service/identity';
import type { Readiness } from '@sallyport/service/lifecycle';
import type { Metrics } from '@sallyport/service/metrics';

export type HttpServerOptions = {
  readonly host: string;
  readonly port: number;
  readonly identity: Identity;
  readonly readiness: Pick<Readiness, 'report'>;
  readonly metrics: Pick<Metrics, 'exposition' | 'contentType'>;
};

export type HttpServer = AsyncDisposable & { readonly port: number };

const REQUEST_TIMEOUT_MS = 10_000;
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_CONNECTIONS = 512;

type Answer = { readonly status: number; readonly type: string; readonly body: string };

/** Listens, or throws what listening threw. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const server = createServer(
    {
      cert: options.identity.certPem,
      key: options.identity.key.export({ format: 'pem', type: 'pkcs8' }),
      minVersion: 'TLSv1.3',
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    (request, response) => {
      void answer(request, options).then((result) => send(response, result));
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  // A client that breaks the protocol is its own problem; without a listener Node would answer it in clear.
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  await listen(server, options.host, options.port);
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function answer(request: IncomingMessage, options: HttpServerOptions): Promise<Answer> {
  const pathname = (request.url ?? '/').split('?', 1)[0] ?? '/';
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return problem(new SallyportError('unimplemented', `${pathname.slice(0, 100)} takes GET only.`), 405);
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
          notFound(`There is nothing at ${pathname.slice(0, 100)}. Here are /healthz, /readyz and /metrics.`),
        );
    }
  } catch {
    return problem(new SallyportError('internal', 'The probe itself failed.'));
  }
}

function problem(error: SallyportError, status?: number): Answer {
  const value = toHttpProblem(error);
  const body = `${JSON.stringify(status === undefined ? value : { ...value, status })}\n`;
  return { status: status ?? value.status, type: problemMediaType, body };
}

function send(response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
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
