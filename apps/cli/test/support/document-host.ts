/** Where a program publishes what it is (OAuth client ID metadata documents): an HTTPS server under an authority of its own. */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { systemClock } from '@sallyport/service/clock';
import { createDevelopmentCa, issue } from '@sallyport/service/identity';
import { temporaryFolder } from './temporary-home.ts';

export type DocumentHost = AsyncDisposable & {
  /** A name as `allowPrivateMetadataHosts` has it. */
  readonly host: string;
  /** PEM of the authority. */
  readonly caFile: string;
  /** Where the document of a program is, and so its client id. */
  url(program: string): string;
  /** Client ids of which the document was asked for, in order. */
  readonly asked: readonly string[];
  /** Publishes `document` of a program, with its `client_id`. */
  publish(program: string, document: Readonly<Record<string, unknown>>): void;
};

export async function startDocumentHost(): Promise<DocumentHost> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const clock = systemClock();
  const host = '127.0.0.1';
  const ca = await createDevelopmentCa({ trustDomain: 'client.test', clock });
  const { certPem, keyPem } = await issue({
    ...{ ca, clock, spiffeId: 'spiffe://client.test/svc/gateway', keyAlgorithm: 'P-256' },
    ...{ usages: ['server'], ip: [host] },
  });
  const caFile = join(folder.path, 'ca.pem');
  await writeFile(caFile, ca.certPem);
  const asked: string[] = [];
  const published = new Map<string, string>();
  const server = createServer({ cert: certPem, key: keyPem }, (request, response) => {
    const id = `${origin}${request.url ?? ''}`;
    asked.push(id);
    const document = published.get(id);
    response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(document);
  });
  server.listen(0, host);
  await once(server, 'listening');
  stack.defer(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const origin = `https://${host}:${(server.address() as AddressInfo).port}`;
  const url = (program: string): string => `${origin}/${program}.json`;
  const owned = stack.move();
  return {
    ...{ host, caFile, url, asked },
    publish(program, document) {
      const id = url(program);
      published.set(id, JSON.stringify({ ...document, client_id: id }));
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
