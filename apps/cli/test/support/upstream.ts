/** An HTTP upstream that remembers what it was asked to do. Loopback only. */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Request = { readonly headers: IncomingHttpHeaders; readonly body: string };

export type Upstream = AsyncDisposable & {
  readonly url: string;
  /** In the order of arrival. */
  readonly requests: Request[];
  /** How long an answer takes. */
  delayMs: number;
};

/** Answers every POST with `{"executed":<n>}`. */
export async function startUpstream(): Promise<Upstream> {
  const requests: Request[] = [];
  const upstream = { delayMs: 0 };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => undefined);
    request.on('end', () => {
      requests.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
      const answer = JSON.stringify({ executed: requests.length });
      setTimeout(() => {
        response.writeHead(200, { 'content-type': 'application/json' }).end(answer);
      }, upstream.delayMs);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(upstream, {
    url: `http://127.0.0.1:${port}/orders`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
