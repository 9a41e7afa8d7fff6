/** What answers on Sallyport's ports, with answers that a test chooses: real TLS and real gRPC, no services. */
import { formatVerifierKey } from '@sallyport/audit-log';
import { createServer as createHttps, type Server as HttpsServer } from 'node:https';
import { createServer as createTls, type Server as TlsServer } from 'node:tls';
import { create } from '@bufbuild/protobuf';
import { auditv1, authv1, keyv1, policyv1 } from '@sallyport/proto';
import { systemClock } from '@sallyport/service/clock';
import {
  implement,
  startGrpcServer,
  type Handlers,
  type ServiceImplementation,
} from '@sallyport/service/grpc';
import type { DescService } from '@bufbuild/protobuf';
import type { ServiceName } from '@sallyport/service/identity';
import { createLogger, memoryDestination } from '@sallyport/service/log';
import type { Home } from '../../src/state/home.ts';
import type { EmbeddedIdentities } from '../../src/state/identities.ts';

/** Everything is as it should be unless a test says otherwise. */
export type Answers = {
  readiness: { status: number; body: string };
  /** What the second door says of itself. */
  metadata: { status: number; body: string };
  keys: { name: string; state: keyv1.KeyState }[];
  revision: bigint;
  instances: { instance: string; revision: bigint }[];
  /** Tools at the route `files` that wait for a decision. */
  waitingTools: string[];
  findings: string[];
  verifierKey: string;
  /** Who answers on key-service's port. */
  keyServer: ServiceName;
  isDenied: boolean;
  sessionsFail: boolean;
  /** The oldest protocol that the channel's port takes. */
  channelMinimum: 'TLSv1.2' | 'TLSv1.3';
};

export const healthy = (): Answers => ({
  readiness: { status: 200, body: '{"ready":true,"checks":[]}' },
  metadata: {
    status: 200,
    body: '{"resource":"https://localhost/mcp","dpop_bound_access_tokens_required":true}',
  },
  keys: [{ name: 'session-binding', state: keyv1.KeyState.ACTIVE }],
  revision: 3n,
  instances: [{ instance: 'g1', revision: 3n }],
  waitingTools: [],
  findings: [],
  verifierKey: formatVerifierKey('log', new Uint8Array(32).fill(1)),
  keyServer: 'key-service',
  isDenied: false,
  sessionsFail: false,
  channelMinimum: 'TLSv1.3',
});

function answerTo(url: string, answers: Answers): { readonly status: number; readonly body: string } {
  if (url === '/readyz') return answers.readiness;
  return url.startsWith('/.well-known/') ? answers.metadata : { status: 200, body: '{}' };
}

/** Listens on the home's ports until disposed. */
export async function fakeSystem(
  home: Home,
  identities: EmbeddedIdentities,
  answers: Answers,
): Promise<AsyncDisposable> {
  await using parts = new AsyncDisposableStack();
  const gateway = identities.services.gateway;
  const pem = { cert: gateway.certPem, key: gateway.key.export({ format: 'pem', type: 'pkcs8' }) };
  const https = createHttps({ ...pem, minVersion: 'TLSv1.3' }, (request, response) => {
    const { status, body } = answerTo(request.url ?? '', answers);
    response.writeHead(status).end(body);
  });
  const channel = createTls({ ...pem, minVersion: answers.channelMinimum, ALPNProtocols: ['h2'] });
  const signIn = createTls({ ...pem, minVersion: 'TLSv1.3' });
  for (const [server, port] of [
    [https, home.ports.https],
    [channel, home.ports.channel],
    [signIn, home.ports.signIn],
  ] as const) {
    parts.use(await listening(server, port));
  }
  const serve = async (name: ServiceName, port: number, service: ServiceImplementation): Promise<void> => {
    const clock = systemClock();
    parts.use(
      await startGrpcServer({
        identity: identities.services[name],
        trust: identities.trust,
        port,
        services: [service],
        authorizePrincipal: () =>
          Promise.resolve({ allowed: !answers.isDenied, reasons: [], requires: [], revision: 1n }),
        onDecision: () => Promise.resolve(),
        clock,
        log: createLogger({ service: name, level: 'silent', destination: memoryDestination(), clock }),
      }),
    );
  };
  await serve(
    'auth-service',
    home.ports.auth,
    only(authv1.AuthService, {
      listSessions: () =>
        answers.sessionsFail ? Promise.reject(new Error('broken')) : Promise.resolve({ sessions: [] }),
    }),
  );
  await serve(
    answers.keyServer,
    home.ports.key,
    only(keyv1.KeyService, {
      listKeys: () =>
        Promise.resolve(
          create(keyv1.ListKeysResponseSchema, {
            keys: answers.keys.map(({ name, state }) => ({ name, versions: [{ version: 1, state }] })),
          }),
        ),
    }),
  );
  await serve(
    'policy-service',
    home.ports.policy,
    only(policyv1.PolicyService, {
      getStatus: () => Promise.resolve({ revision: answers.revision, instances: answers.instances }),
      listTools: () =>
        Promise.resolve({ tools: answers.waitingTools.map((tool) => ({ route: 'files', tool })) }),
    }),
  );
  await serve(
    'audit-service',
    home.ports.audit,
    only(auditv1.AuditService, {
      getCheckpoint: () =>
        Promise.resolve({
          checkpoint: 'origin\n7\nroot\n',
          verifierKey: answers.verifierKey,
          findings: answers.findings,
        }),
    }),
  );
  const started = parts.move();
  return { [Symbol.asyncDispose]: () => started.disposeAsync() };
}

/** A service of which a test needs a method or two; the others fail. */
function only<S extends DescService>(service: S, handlers: Partial<Handlers<S>>): ServiceImplementation {
  const rest = service.methods.map((method) => [
    method.localName,
    () => Promise.reject(new Error('this fake does not answer that')),
  ]);
  return implement(service, { ...Object.fromEntries(rest), ...handlers } as Handlers<S>);
}

async function listening(server: HttpsServer | TlsServer, port: number): Promise<AsyncDisposable> {
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        if ('closeAllConnections' in server) server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
