export { createMetrics } from './metrics.ts';
export type { Counter, Gauge, Histogram, Labels, MetricOptions, Metrics, MetricsOptions } from './metrics.ts';
export { mergedMetrics } from './merged.ts';
