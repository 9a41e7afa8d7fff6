import { loadConfig } from '@sallyport/service/config';
import { expect, test } from 'vitest';
import { embeddedConfig } from '../config.ts';
import { writtenRoute } from './written-route.ts';

const text = `
routes:
  plain: {url: "http://127.0.0.1:9000/"}
  much:
    url: https://orders.example.org/
    timeout: 7s
    connectTimeout: 250ms
    headersTimeout: 3s
    bodyTimeout: 2s
    maxResponse: 12KiB
    idempotent: true
    maxAttempts: 2
    maxConnections: 3
    egress: [orders.example.org]
    breaker: {minCalls: 4, failurePercent: 30, window: 5s, open: 2s}
`;

test('what is written again is read as the same', () => {
  const first = loadConfig(embeddedConfig, { text }).routes;
  const again = Object.fromEntries(Object.entries(first).map(([name, route]) => [name, writtenRoute(route)]));
  expect({ ...loadConfig(embeddedConfig, { text: JSON.stringify({ routes: again }) }).routes }).toEqual({
    ...first,
  });
});
