import { join } from 'node:path';
import { ConfigError, loadConfig, object, record } from '@sallyport/service/config';
import { serviceFiles, type ServiceFiles } from '@sallyport/service/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { routeProblems } from './config.ts';
import { routeConfigOf, routeSchema, type WrittenRoute } from './schema.ts';

let files: ServiceFiles;
let folder: string;
beforeAll(async () => {
  files = await serviceFiles('gateway');
  ({ folder } = files);
  await files.write('secret', 'x');
  await files.write('two-lines', 'canary\ncanary\n');
  await files.write('noise.pem', 'canary');
});
afterAll(() => files[Symbol.asyncDispose]());

const load = (lines: readonly string[]): WrittenRoute => {
  const text = ['routes:', '  o:', ...lines.map((line) => `    ${line}`)].join('\n');
  const schema = object({ routes: record(routeSchema) });
  const { routes } = loadConfig(schema, { file: join(folder, 'gateway.yaml'), text });
  const route = routes['o'];
  if (route === undefined) throw new Error('no route');
  return route;
};

test('the shortest one has every default', () => {
  const route = routeConfigOf(load(['url: https://orders.example/in']));
  expect(route).toEqual({
    kind: 'http',
    url: 'https://orders.example/in',
    timeoutMs: 10_000,
    maxResponseBytes: 65_536,
    isIdempotent: false,
    maxAttempts: 3,
    maxConnections: 64,
    breaker: { minCalls: 10, failureRatio: 0.5, windowMs: 10_000, openMs: 5_000 },
  });
  expect(routeProblems('o', route)).toEqual([]);
});

test('everything can be written', () => {
  const route = routeConfigOf(
    load([
      'url: https://orders.example/in',
      'timeout: 2s',
      'connectTimeout: 500ms',
      'headersTimeout: 1s',
      'bodyTimeout: 1s',
      'maxResponse: 1KiB',
      'idempotent: true',
      'maxAttempts: 5',
      'maxConnections: 8',
      'egress: [orders.example, 10.0.0.0/8]',
      'caFile: tls/ca.pem',
      'certFile: tls/service.pem',
      'keyFile: tls/service.key',
      'credential: { prefix: "Bearer ", secretFile: secret }',
      'breaker: { minCalls: 20, failurePercent: 25, window: 30s, open: 1s }',
    ]),
  );
  expect(route).toEqual({
    kind: 'http',
    url: 'https://orders.example/in',
    timeoutMs: 2_000,
    connectTimeoutMs: 500,
    headersTimeoutMs: 1_000,
    bodyTimeoutMs: 1_000,
    maxResponseBytes: 1_024,
    isIdempotent: true,
    maxAttempts: 5,
    maxConnections: 8,
    egress: ['orders.example', '10.0.0.0/8'],
    caFile: join(folder, 'tls/ca.pem'),
    certFile: join(folder, 'tls/service.pem'),
    keyFile: join(folder, 'tls/service.key'),
    credential: { header: 'Authorization', prefix: 'Bearer ', secretFile: join(folder, 'secret') },
    breaker: { minCalls: 20, failureRatio: 0.25, windowMs: 30_000, openMs: 1_000 },
  });
});

test('so can one over NATS, and an echo', () => {
  const nats = 'nats: { servers: ["nats:4222"], user: routes, passwordFile: secret, caFile: tls/ca.pem }';
  expect(routeConfigOf(load(['kind: nats', 'subject: orders.in', nats]))).toMatchObject({
    kind: 'nats',
    subject: 'orders.in',
    nats: { servers: ['nats:4222'], user: 'routes', allowInsecurePlaintext: false },
  });
  expect(routeConfigOf(load(['kind: echo']))).toEqual({ kind: 'echo' });
});

test.each<[string, string[], string]>([
  ['an unknown key', ['url: https://o/', 'retries: 3'], 'routes.o.retries'],
  ['no such kind', ['kind: ftp'], 'routes.o.kind'],
  ['a wildcard', ['kind: nats', 'subject: "orders.>"'], 'routes.o.subject'],
  ['an egress entry that is none', ['url: https://o/', 'egress: [10.0.0.0/99]'], 'routes.o.egress'],
  ['a certificate without its key', ['url: https://o/', 'certFile: c'], 'routes.o.keyFile'],
  ['a secret in the clear', ['url: http://o/', 'credential: { secretFile: secret }'], 'routes.o.credential'],
  [
    'a header of ours',
    ['url: https://o/', 'credential: { header: Idempotency-Key, secretFile: secret }'],
    'routes.o.credential.header',
  ],
  [
    'a password in the clear',
    ['kind: nats', 'subject: a', 'nats: { servers: ["n:1"], user: u, passwordFile: secret }'],
    'routes.o.nats.caFile',
  ],
  ['an authority that is not there', ['url: https://o/', 'caFile: none.pem'], 'routes.o.caFile'],
  ['an authority that is noise', ['url: https://o/', 'caFile: noise.pem'], 'routes.o.caFile'],
  [
    'a certificate with the key of another',
    ['url: https://o/', 'certFile: tls/channel.pem', 'keyFile: tls/service.key'],
    'routes.o.certFile',
  ],
  [
    'a credential of two lines',
    ['url: https://o/', 'credential: { secretFile: two-lines }'],
    'routes.o.credential.secretFile',
  ],
  [
    'a password of two lines',
    [
      'kind: nats',
      'subject: a',
      'nats: { servers: ["n:1"], user: u, passwordFile: two-lines, caFile: tls/ca.pem }',
    ],
    'routes.o.nats.passwordFile',
  ],
  [
    'a port that does not exist',
    [
      'kind: nats',
      'subject: a',
      'nats: { servers: ["n:65536"], user: u, passwordFile: secret, caFile: tls/ca.pem }',
    ],
    'routes.o.nats.servers',
  ],
])('%s is a problem of its own key', (_, lines, key) => {
  let problems: readonly { readonly key: string }[] = [];
  try {
    load(lines);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    ({ problems } = error);
  }
  expect(problems.map((problem) => problem.key)).toContain(key);
  expect(JSON.stringify(problems)).not.toContain('canary');
});
