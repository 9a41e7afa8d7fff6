/**
 * Every method of every service, called with every kind of certificate, on real servers with handlers that answer.
 *
 * The rows come from the protos' descriptors, so a method without a row cannot exist. What is expected is committed in
 * `access-table.json`: changing an `access` option fails here until the table says so too. To write the table and
 * `docs/access.md` anew: `SALLYPORT_WRITE_ACCESS=1 vitest run test/grpc/access.test.ts`, and read the diff.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { Client, Metadata, credentials, status as grpcStatus, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { implement, startGrpcServer, type GrpcServer } from '../../src/grpc/index.ts';
import { errorOf } from '../../src/grpc/status.ts';
import { memoryLog } from '../../src/testing/index.ts';
import {
  accessDocument,
  expectedTable,
  isOpen,
  methods,
  nameOf,
  services,
  type AccessTable,
} from './access-expectations.ts';
import { certificateKinds } from './certificate-kinds.ts';
import { ALLOWED, clock, createAuthority } from './fixture.ts';

const TABLE = new URL('./access-table.json', import.meta.url);
const DOCUMENT = new URL('../../../../docs/access.md', import.meta.url);
const GENERATED = new URL('../../../proto/src/gen/', import.meta.url);

const authority = await createAuthority();
const kinds = certificateKinds(authority);
const promised = expectedTable(Object.keys(kinds));
if (process.env['SALLYPORT_WRITE_ACCESS'] === '1') {
  writeFileSync(TABLE, `${JSON.stringify(promised, null, 2)}\n`);
  writeFileSync(DOCUMENT, accessDocument());
}
const committed = JSON.parse(readFileSync(TABLE, 'utf8')) as AccessTable;

/** Answers everything with nothing. */
function stub(service: (typeof services)[number]) {
  const handlers = Object.fromEntries(
    service.methods.map((method) => [
      method.localName,
      method.methodKind === 'unary'
        ? async () => ({})
        : method.methodKind === 'server_streaming'
          ? async function* () {
              yield {};
            }
          : (stream: { end(): void }) => ({ onFrame: () => {}, onEnd: () => stream.end() }),
    ]),
  );
  return implement(service, handlers as never);
}

let closed: GrpcServer;
let open: GrpcServer;
const clients: Client[] = [];
const clientOf = new Map<string, { readonly closed: Client; readonly open: Client }>();

beforeAll(async () => {
  const common = { trust: authority.trust, port: 0, clock, log: memoryLog() } as const;
  closed = await startGrpcServer({
    ...common,
    identity: await authority.service('key-service'),
    services: services
      .filter((each) => each.typeName !== 'grpc.health.v1.Health' && !each.methods.some(isOpen))
      .map(stub),
    authorizePrincipal: async (caller) =>
      caller.id === 'user:denied' ? { ...ALLOWED, allowed: false } : ALLOWED,
    onDecision: async () => {},
  });
  open = await startGrpcServer({
    ...common,
    identity: await authority.service('gateway'),
    clientCertificate: 'none',
    services: services.filter((each) => each.methods.some(isOpen)).map(stub),
  });
  for (const [kind, make] of Object.entries(kinds)) {
    const certificate = await make();
    const channel = (address: string) => {
      const client = new Client(
        address,
        credentials.createSsl(
          Buffer.from(authority.trust.caPem),
          certificate === undefined ? null : Buffer.from(certificate.keyPem),
          certificate === undefined ? null : Buffer.from(certificate.certPem),
          { checkServerIdentity: () => undefined },
        ),
        { 'grpc.ssl_target_name_override': 'localhost', 'grpc.use_local_subchannel_pool': 1 },
      );
      clients.push(client);
      return client;
    };
    clientOf.set(kind, { closed: channel(closed.address), open: channel(open.address) });
  }
});

afterAll(async () => {
  for (const client of clients) client.close();
  await closed.close(0);
  await open.close(0);
});

/** One request message, empty; every kind of method looks the same on the wire. */
function ending(client: Client, path: string): Promise<string> {
  return new Promise((resolve) => {
    const call = client.makeBidiStreamRequest<Buffer, Buffer>(
      path,
      (bytes) => bytes,
      (bytes) => bytes,
      new Metadata(),
      { deadline: Date.now() + 5_000 },
    );
    // Health's Watch answers and goes on.
    call.on('data', () => {
      resolve('ok');
      call.cancel();
    });
    call.on('end', () => resolve('ok'));
    call.on('error', (error: ServiceError) => {
      const { reason, correlationId } = errorOf(error, path);
      resolve(error.code === grpcStatus.UNAVAILABLE && correlationId === undefined ? 'tls' : reason);
    });
    call.write(Buffer.alloc(0));
    call.end();
  });
}

test('the protos have no service that is missing here', () => {
  const files = readdirSync(GENERATED, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('_pb.ts'),
  );
  const defined = files.flatMap((file) => [
    ...readFileSync(new URL(file, GENERATED), 'utf8').matchAll(/serviceDesc\(/gu),
  ]);
  // Each file that defines one also imports the function's name, without a parenthesis.
  expect(services).toHaveLength(defined.length);
  expect(methods.length).toBeGreaterThan(30);
});

test('the committed table is what the protos promise', () => {
  expect(committed).toEqual(promised);
});

test('docs/access.md is what the protos promise', () => {
  expect(readFileSync(DOCUMENT, 'utf8')).toBe(accessDocument());
});

describe.each(methods.map((method) => [nameOf(method), method] as const))('%s', (name, method) => {
  test.each(Object.keys(kinds))('%s', async (kind) => {
    const client = clientOf.get(kind)?.[isOpen(method) ? 'open' : 'closed'];
    if (client === undefined) throw new Error(`no client for ${kind}`);
    expect(await ending(client, `/${name}`)).toBe(committed[name]?.[kind]);
  });
});
