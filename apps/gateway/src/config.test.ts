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
    orders: { kind: 'http', url: 'https://orders.example/in', timeoutMs: 1_000, maxResponseBytes: 65_536 },
  },
};
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
  ['routes.two words', { routes: { 'two words': { kind: 'echo' } } }],
  ['routes.', { routes: { '': { kind: 'echo' } } }],
  ['routes.o.url', { routes: { o: { ...orders, url: 'file:///etc/passwd' } } }],
  ['routes.o.url', { routes: { o: { ...orders, url: 'http://me:pw@o.example/' } } }],
  ['routes.o.url', { routes: { o: { ...orders, url: 'orders' } } }],
  ['routes.o.timeoutMs', { routes: { o: { ...orders, timeoutMs: 0 } } }],
  ['routes.o.maxResponseBytes', { routes: { o: { ...orders, maxResponseBytes: 2 ** 21 } } }],
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
