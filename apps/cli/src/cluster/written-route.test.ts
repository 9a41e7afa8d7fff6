import { loadConfig } from '@sallyport/service/config';
import { expect, test } from 'vitest';
import { embeddedConfig } from '../config.ts';
import { writtenRoute, writtenServer } from './written-route.ts';

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

test('of servers of the Model Context Protocol too', () => {
  const servers = {
    plain: { url: 'http://127.0.0.1:9000/mcp' },
    much: {
      ...{ url: 'https://tools.example.org/mcp', maxMessage: '1MiB', maxExchange: '8MiB', maxConcurrent: 9 },
      ...{ connectTimeout: '250ms', headersTimeout: '3s', idleTimeout: '4s', totalTimeout: '1h' },
      breaker: { minCalls: 4, failurePercent: 30, window: '5s', open: '2s' },
    },
    here: {
      ...{ kind: 'stdio', command: process.execPath, args: ['server.js'], env: { LANGUAGE: 'en' } },
      ...{ startTimeout: '5s', requestIdle: '1m', idleEnd: '2m', lifetime: '3h', maxMemory: '256MiB' },
      ...{ maxChildren: 3, maxChildrenPerPrincipal: 2 },
    },
    elsewhere: { kind: 'channel', principal: 'workload:search' },
  };
  const first = loadConfig(embeddedConfig, { text: JSON.stringify({ modelContext: { servers } }) });
  const again = Object.fromEntries(
    Object.entries(first.modelContext.servers).map(([name, server]) => [name, writtenServer(server)]),
  );
  const second = loadConfig(embeddedConfig, { text: JSON.stringify({ modelContext: { servers: again } }) });
  expect({ ...second.modelContext.servers }).toEqual({ ...first.modelContext.servers });
});
