/** The gateway's part: the public origin, forwarding over mutual TLS to the one listener behind it. */
import { createServer, request as forwardRequest } from 'node:https';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '@sallyport/service/clock';
import { issue } from '@sallyport/service/identity';
import type { TestAuthority } from '@sallyport/service/testing';

export type TestGateway = AsyncDisposable & {
  readonly origin: string;
  /** PEM of the certificate that browsers see. */
  readonly certPem: string;
  /** Where to forward; behind another name than the gateway's when `as` is given. */
  connect(port: number, as?: string): Promise<void>;
  /** Added to what is forwarded. */
  extra: Record<string, string>;
};

/** Certificates name services, not hosts: compared as the gateway does. */
const expectAuthService =
  (trustDomain: string) =>
  (_host: string, { subjectaltname = '' }) =>
    subjectaltname.includes(`URI:spiffe://${trustDomain}/svc/auth-service`)
      ? undefined
      : new Error('another server');

let registrations = 0;
/** Registrations come from everywhere, so that one test's do not count for the next. */
function sourceOf(path = ''): string {
  if (!path.startsWith('/oauth/register')) return '192.0.2.7';
  registrations += 1;
  return `198.51.${registrations >> 8}.${registrations & 255}`;
}

export async function startTestGateway(authority: TestAuthority): Promise<TestGateway> {
  const { ca, trust } = authority;
  const leaf = await issue({
    ca,
    clock: systemClock(),
    spiffeId: `spiffe://${trust.trustDomain}/svc/gateway`,
    keyAlgorithm: 'P-256',
    usages: ['server', 'client'],
    dns: ['localhost'],
    ip: ['127.0.0.1'],
  });
  let target: { port: number; cert: string; key: string } | undefined;
  const server = createServer({ cert: leaf.certPem, key: leaf.keyPem }, (request, response) => {
    if (target === undefined) return void response.destroy();
    const outgoing = forwardRequest(
      {
        host: '127.0.0.1',
        port: target.port,
        method: request.method,
        path: request.url,
        headers: { ...request.headers, 'x-forwarded-for': sourceOf(request.url), ...gateway.extra },
        ca: trust.caPem,
        cert: target.cert,
        key: target.key,
        checkServerIdentity: expectAuthService(trust.trustDomain),
        agent: false,
      },
      (incoming) => {
        response.writeHead(incoming.statusCode ?? 502, incoming.headers);
        incoming.pipe(response);
      },
    );
    outgoing.once('error', () => response.destroy());
    request.pipe(outgoing);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const gateway: TestGateway = {
    origin: `https://localhost:${(server.address() as AddressInfo).port}`,
    certPem: leaf.certPem,
    extra: {},
    async connect(port, as = 'svc/gateway') {
      const { certPem, keyPem } = await authority.identity(as);
      target = { port, cert: certPem, key: keyPem };
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return gateway;
}

export type Answer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  json(): Record<string, unknown>;
};

/** A user agent with cookies, which follows nothing by itself. */
export class Browser {
  readonly cookies = new Map<string, { value: string; path: string }>();
  readonly #caPem: string;
  readonly origin: string;
  constructor(origin: string, caPem: string) {
    this.origin = origin;
    this.#caPem = caPem;
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('GET', path, headers);
  }

  post(path: string, form: Record<string, string> | URLSearchParams, headers: Record<string, string> = {}) {
    const body = new URLSearchParams(form).toString();
    return this.send('POST', path, { 'content-type': 'application/x-www-form-urlencoded', ...headers }, body);
  }

  send(method: string, path: string, headers: Record<string, string>, body?: string): Promise<Answer> {
    const url = new URL(path, this.origin);
    const cookie = [...this.cookies]
      .filter(
        ([, { path: scope }]) =>
          url.pathname === scope || scope === '/' || url.pathname.startsWith(`${scope}/`),
      )
      .map(([name, { value }]) => `${name}=${value}`)
      .join('; ');
    return new Promise((resolve, reject) => {
      const outgoing = forwardRequest(
        url,
        {
          method,
          ca: this.#caPem,
          agent: false,
          headers: {
            ...(cookie === '' ? {} : { cookie }),
            ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
            ...headers,
          },
        },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
          incoming.once('end', () => {
            for (const line of incoming.headers['set-cookie'] ?? []) this.#keep(line);
            const text = Buffer.concat(chunks).toString('utf8');
            resolve({
              status: incoming.statusCode ?? 0,
              headers: incoming.headers,
              text,
              json: () => JSON.parse(text) as Record<string, unknown>,
            });
          });
        },
      );
      outgoing.once('error', reject);
      outgoing.end(body);
    });
  }

  #keep(line: string): void {
    const [pair = '', ...attributes] = line.split(/;\s*/u);
    const at = pair.indexOf('=');
    const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
    const path = attributes.find((each) => /^path=/iu.test(each))?.slice(5) ?? '/';
    if (value === '') this.cookies.delete(name);
    else this.cookies.set(name, { value, path });
  }
}
