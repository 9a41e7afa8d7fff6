import { createMetrics } from '@sallyport/service/metrics';
import { memoryLog, serviceFiles } from '@sallyport/service/testing';
import { expect, test } from 'vitest';
import { buildRoutes } from './build.ts';
import type { RouteConfig } from './config.ts';
import { routeMeters } from './measure.ts';

test('a route over NATS without TLS is said aloud, one with it is not', async () => {
  await using files = await serviceFiles('gateway');
  const log = memoryLog();
  const passwordFile = `${files.folder}/secrets/nats`;
  const target = { servers: ['127.0.0.1:1'], user: 'routes', passwordFile };
  const nats = (kind: object): RouteConfig => ({
    ...{ kind: 'nats', subject: 'orders.in', timeoutMs: 1_000, maxResponseBytes: 1_024 },
    nats: { ...target, ...kind },
  });
  const config = {
    clear: nats({ allowInsecurePlaintext: true }),
    secured: nats({ caFile: `${files.folder}/tls/ca.pem` }),
  };
  const meters = routeMeters(createMetrics({ service: 'gateway' }));
  const routes = buildRoutes(config, { meters, log, monotonic: () => 0, random: () => 0 });
  await routes[Symbol.asyncDispose]();
  const said = log.lines.filter(({ message }) => message.includes('without TLS'));
  expect(said.map(({ level, fields }) => [level, fields])).toEqual([['warn', { destination: 'clear' }]]);
});
