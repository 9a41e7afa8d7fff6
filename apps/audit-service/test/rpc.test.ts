import { verifyLog } from '@sallyport/audit-log';
import { expect, test } from 'vitest';
import { acknowledged, createWorld, ready, sourceOf, startAuditService, startProducer } from './fixture.ts';
import { callEvent } from './support.ts';

test('what producers record is found, proved and verified', async () => {
  await using world = await createWorld();
  await using service = await startAuditService(world);
  await ready(service);
  await using producer = await startProducer(world, 'gateway');
  await Promise.all(Array.from({ length: 300 }, (_, i) => producer.record(callEvent(i))));
  await acknowledged(producer);
  const client = await service.client();
  const { verifierKey, findings } = await client.getCheckpoint({});
  expect(findings).toEqual([]);
  const report = await verifyLog(sourceOf(client), { verifierKey });
  expect(report.findings).toEqual([]);
  expect(report.leaves).toBeGreaterThanOrEqual(300);
}, 60_000);
