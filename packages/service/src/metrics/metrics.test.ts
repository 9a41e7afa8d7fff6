import { describe, expect, test } from 'vitest';
import { createMetrics, mergedMetrics, type MetricOptions } from './index.ts';

describe('metrics', () => {
  test('counters, gauges and histograms appear in the exposition with their service', async () => {
    const metrics = createMetrics({ service: 'gateway' });
    const frames = metrics.counter({ name: 'frames_total', help: 'Frames.', labels: ['outcome'] });
    frames.add({ outcome: 'accepted' });
    frames.add({ outcome: 'accepted' }, 2);
    metrics.gauge({ name: 'sessions', help: 'Live sessions.' }).set({}, 7);
    metrics.histogram({ name: 'wait_seconds', help: 'Wait.', buckets: [0.1, 1] }).observe({}, 0.5);
    const lines = (await metrics.exposition()).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        '# HELP sallyport_frames_total Frames.',
        '# TYPE sallyport_frames_total counter',
        'sallyport_frames_total{outcome="accepted",service="gateway"} 3',
        'sallyport_sessions{service="gateway"} 7',
        'sallyport_wait_seconds_bucket{le="1",service="gateway"} 1',
        'sallyport_wait_seconds_count{service="gateway"} 1',
      ]),
    );
    expect(metrics.contentType).toMatch(/^text\/plain; version=0\.0\.4/);
  });

  test('a collected gauge is read at each exposition', async () => {
    const metrics = createMetrics({ service: 'x' });
    let depth: number | undefined = 1;
    metrics.gauge({ name: 'depth_bytes', help: 'Depth.', collect: () => depth });
    const values: (string | undefined)[] = [];
    for (const next of [5, undefined, 6]) {
      values.push(/^sallyport_depth_bytes.* (\d+)$/m.exec(await metrics.exposition())?.[1]);
      depth = next;
    }
    expect(values).toEqual(['1', '5', '5']);
  });

  test('two services use the same name without meeting', async () => {
    const [a, b] = [createMetrics({ service: 'a' }), createMetrics({ service: 'b' })];
    a.counter({ name: 'x_total', help: 'x' }).add({});
    b.counter({ name: 'x_total', help: 'x' });
    expect(await a.exposition()).toContain('sallyport_x_total{service="a"} 1');
    expect(await b.exposition()).not.toContain('service="a"');
  });

  const malformed: readonly [string, MetricOptions<string>][] = [
    ['camel case', { name: 'framesTotal', help: 'x' }],
    ['a leading digit', { name: '1_total', help: 'x' }],
    ['nothing', { name: '', help: 'x' }],
    ['a label with a dash', { name: 'x_total', help: 'x', labels: ['a-b'] }],
    ['the label service', { name: 'x_total', help: 'x', labels: ['service'] }],
    ['the label le', { name: 'x_total', help: 'x', labels: ['le'] }],
  ];
  test.each(malformed)('%s is refused', (_, options) => {
    expect(() => createMetrics({ service: 'x' }).counter(options)).toThrow(/metric/);
  });

  test('a name is used once', () => {
    const metrics = createMetrics({ service: 'x' });
    metrics.counter({ name: 'x_total', help: 'x' });
    expect(() => metrics.gauge({ name: 'x_total', help: 'x' })).toThrow(/x_total/);
  });

  test('counters do not go down, and a label outside the fixed set is refused', () => {
    const metrics = createMetrics({ service: 'x' });
    expect(() => metrics.counter({ name: 'x_total', help: 'x' }).add({}, -1)).toThrow(/decrease/);
    const labelled = metrics.counter<string>({ name: 'y_total', help: 'y', labels: ['a'] });
    expect(() => labelled.add({ other: '1' })).toThrow(/other/);
  });
});

describe('several services in one process', () => {
  test('a name that two have is one family; every series stays', async () => {
    const [one, two] = [createMetrics({ service: 'one' }), createMetrics({ service: 'two' })];
    one.counter({ name: 'a_total', help: 'A', labels: ['x'] }).add({ x: 'y' });
    two.gauge({ name: 'b', help: 'B' }).set({}, 2);
    two.counter({ name: 'a_total', help: 'another help', labels: ['x'] }).add({ x: 'y' }, 3);
    expect((await mergedMetrics([one, two]).exposition()).split('\n')).toEqual([
      '# HELP sallyport_a_total A',
      '# TYPE sallyport_a_total counter',
      'sallyport_a_total{x="y",service="one"} 1',
      'sallyport_a_total{x="y",service="two"} 3',
      '# HELP sallyport_b B',
      '# TYPE sallyport_b gauge',
      'sallyport_b{service="two"} 2',
      '',
    ]);
  });
});
