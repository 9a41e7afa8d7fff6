import { expect, test } from 'vitest';
import { configProblems, type GatewayConfig } from './config.ts';

const good: GatewayConfig = {
  host: '127.0.0.1',
  httpsPort: 0,
  channelPort: 8444,
  spoolDirectory: '/spool',
  bundleDirectory: '/bundle',
  authAddress: '127.0.0.1:8445',
  keyAddress: '[::1]:8446',
  policyAddress: 'policy.example:8447',
  routes: {
    echo: { kind: 'echo' },
    orders: {
      ...{ kind: 'http', url: 'https://orders.example/in', timeoutMs: 1_000, maxResponseBytes: 65_536 },
      egress: ['orders.example', '10.0.0.0/8'],
      ...{ caFile: '/ca', certFile: '/cert', keyFile: '/key' },
      credential: { header: 'Authorization', prefix: 'Bearer ', secretFile: '/token' },
    },
    billing: {
      ...{ kind: 'nats', subject: 'billing.in', timeoutMs: 1_000, maxResponseBytes: 65_536 },
      nats: { servers: ['[::1]:4222'], user: 'routes', passwordFile: '/p', allowInsecurePlaintext: true },
    },
  },
};
const nats = {
  kind: 'nats',
  subject: 'orders.in',
  timeoutMs: 1_000,
  maxResponseBytes: 65_536,
  nats: { servers: ['nats.example:4222'], user: 'routes', passwordFile: '/p', caFile: '/ca' },
} as const;
const credential = { header: 'Authorization', secretFile: '/token' };
const breaker = { minCalls: 10, failureRatio: 0.5, windowMs: 10_000, openMs: 5_000 };
const orders = { kind: 'http', url: 'http://o.example/', timeoutMs: 1, maxResponseBytes: 1 } as const;

test('a good one has no problems', () => {
  expect(configProblems(good)).toEqual([]);
});

test.each<[string, Partial<GatewayConfig>]>([
  ['httpsPort', { httpsPort: 65_536 }],
  ['channelPort', { channelPort: 1.5 }],
  ['authAddress', { authAddress: 'nowhere' }],
  ['keyAddress', { keyAddress: ':1' }],
  ['policyAddress', { policyAddress: '' }],
  ['host', { host: '' }],
  ['spoolDirectory', { spoolDirectory: '' }],
  ['policy.maxAgeMs', { policy: { maxAgeMs: 0 } }],
  ['revocations.deadAfterMs', { revocations: { deadAfterMs: 1e9 } }],
  ['spoolMaxBytes', { spoolMaxBytes: 1 }],
  ['routes.two words', { routes: { 'two words': { kind: 'echo' } } }],
  ['routes.', { routes: { '': { kind: 'echo' } } }],
  ['routes.o.url', { routes: { o: { ...orders, url: 'file:///etc/passwd' } } }],
  ['routes.o.url', { routes: { o: { ...orders, url: 'http://me:pw@o.example/' } } }],
  ['routes.o.url', { routes: { o: { ...orders, url: 'orders' } } }],
  ['routes.o.timeoutMs', { routes: { o: { ...orders, timeoutMs: 0 } } }],
  ['routes.o.maxResponseBytes', { routes: { o: { ...orders, maxResponseBytes: 2 ** 21 } } }],
  ['routes.o.connectTimeoutMs', { routes: { o: { ...orders, connectTimeoutMs: 0 } } }],
  ['routes.o.maxConnections', { routes: { o: { ...orders, maxConnections: 0 } } }],
  ['routes.o.maxAttempts', { routes: { o: { ...orders, maxAttempts: 11 } } }],
  ['routes.o.egress\\[1\\]', { routes: { o: { ...orders, egress: ['10.0.0.0/8', '10.0.0.0/99'] } } }],
  ['routes.o.keyFile', { routes: { o: { ...orders, url: 'https://o/', certFile: '/c' } } }],
  ['routes.o.caFile', { routes: { o: { ...orders, caFile: '/ca' } } }],
  ['routes.o.credential', { routes: { o: { ...orders, credential } } }],
  [
    'routes.o.credential.header',
    {
      routes: {
        o: {
          ...orders,
          url: 'http://localhost/',
          credential: { ...credential, header: 'Sallyport-Principal' },
        },
      },
    },
  ],
  [
    'routes.o.credential.header',
    { routes: { o: { ...orders, url: 'http://[::1]/', credential: { ...credential, header: 'host' } } } },
  ],
  [
    'routes.o.credential.prefix',
    { routes: { o: { ...orders, url: 'https://o/', credential: { ...credential, prefix: 'a\n' } } } },
  ],
  ['routes.o.breaker.minCalls', { routes: { o: { ...orders, breaker: { ...breaker, minCalls: 0 } } } }],
  [
    'routes.o.breaker.failureRatio',
    { routes: { o: { ...orders, breaker: { ...breaker, failureRatio: 0 } } } },
  ],
  ['routes.n.subject', { routes: { n: { ...nats, subject: 'orders.>' } } }],
  ['routes.n.subject', { routes: { n: { ...nats, subject: '$JS.API.STREAM.DELETE.AUDIT' } } }],
  ['routes.n.subject', { routes: { n: { ...nats, subject: 'a b' } } }],
  ['routes.n.nats.servers', { routes: { n: { ...nats, nats: { ...nats.nats, servers: [] } } } }],
  [
    'routes.n.nats.servers\\[0\\]',
    { routes: { n: { ...nats, nats: { ...nats.nats, servers: ['me:pw@nats:1'] } } } },
  ],
  ['routes.n.nats.user', { routes: { n: { ...nats, nats: { ...nats.nats, user: 'a.b' } } } }],
  [
    'routes.n.nats.caFile',
    { routes: { n: { ...nats, nats: { servers: ['n:1'], user: 'u', passwordFile: '/p' } } } },
  ],
])('%s: %j', (key, change) => {
  const problems = configProblems({ ...good, ...change });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(new RegExp(`^${key} must be `, 'u'));
  expect(problems.join()).not.toContain('pw');
});

test('all problems are told at once', () => {
  expect(
    configProblems({
      ...good,
      httpsPort: -1,
      keyAddress: 'x',
      routes: { 'a b': { ...orders, timeoutMs: NaN } },
    }),
  ).toHaveLength(4);
});
