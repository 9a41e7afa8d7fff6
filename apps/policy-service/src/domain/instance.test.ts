import { expect, test } from 'vitest';
import { valid } from '../../test/support.ts';
import { instanceLifetimeMs, liveInstances } from './instance.ts';
import { parseInstanceName } from './names.ts';

const report = (name: string, revision: bigint, reportedAtMs: number) => ({
  instance: valid(parseInstanceName(name, 'instance')),
  revision,
  reportedAtMs,
});

test('the slowest comes first, then by name', () => {
  const live = liveInstances([report('c', 7n, 0), report('b', 5n, 0), report('a', 7n, 0)], 1);
  expect(live.map(({ instance }) => instance)).toEqual(['b', 'a', 'c']);
});

test('silence ends a report, to the millisecond', () => {
  const reports = [report('a', 1n, 0)];
  expect(liveInstances(reports, instanceLifetimeMs - 1)).toHaveLength(1);
  expect(liveInstances(reports, instanceLifetimeMs)).toHaveLength(0);
});
