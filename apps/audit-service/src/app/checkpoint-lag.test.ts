import { createMetrics } from '@sallyport/service/metrics';
import { expect, test } from 'vitest';
import { checkpointLag } from './checkpoint-lag.ts';

function stage() {
  const metrics = createMetrics({ service: 'audit-service' });
  let nowMs = 0;
  const lag = checkpointLag(metrics, () => nowMs);
  return {
    lag,
    pass: (ms: number) => void (nowMs += ms),
    async shown(series: string): Promise<number> {
      const line = (await metrics.exposition())
        .split('\n')
        .find((each) => each.startsWith(`sallyport_audit_${series}`));
      return Number(line?.split(' ').at(-1));
    },
  };
}

test('leaves are uncovered from their commit to the checkpoint that has them', async () => {
  const { lag, pass, shown } = stage();
  expect([await shown('uncovered_leaves'), await shown('uncovered_seconds')]).toEqual([0, 0]);
  lag.covered(10);
  lag.committed(12);
  pass(2_000);
  lag.committed(14);
  expect([await shown('uncovered_leaves'), await shown('uncovered_seconds')]).toEqual([5, 2]);
  lag.covered(13);
  expect([await shown('uncovered_leaves'), await shown('uncovered_seconds')]).toEqual([2, 0]);
  pass(500);
  lag.covered(15);
  expect([await shown('uncovered_leaves'), await shown('uncovered_seconds')]).toEqual([0, 0]);
  expect(await shown('checkpoint_lag_seconds_count')).toBe(2);
  expect(await shown('checkpoint_lag_seconds_sum')).toBe(2.5);
});

test('a checkpoint that another replica made counts, an older one changes nothing', async () => {
  const { lag, shown } = stage();
  lag.committed(4);
  lag.covered(5);
  lag.covered(3);
  expect(await shown('uncovered_leaves')).toBe(0);
  expect(await shown('checkpoint_lag_seconds_count')).toBe(1);
});

test('transactions without number take no memory without bound', async () => {
  const { lag, pass, shown } = stage();
  for (let i = 0; i < 30_000; i++) lag.committed(i);
  pass(1_000);
  expect(await shown('uncovered_leaves')).toBe(30_000);
  lag.covered(30_000);
  expect(await shown('checkpoint_lag_seconds_count')).toBe(10_000);
});
