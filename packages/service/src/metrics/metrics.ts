/**
 * Metrics as a port over prom-client, with a registry per service so that five services share a process.
 *
 * Label names are fixed when the metric is made; label values come from closed sets, never from a caller's input.
 */
import {
  Counter as PromCounter,
  Gauge as PromGauge,
  Histogram as PromHistogram,
  Registry,
} from 'prom-client';

export type Labels<L extends string> = Readonly<Record<L, string>>;

/** Labels come first and are required when the metric has any; a metric without labels takes `{}`. */
export interface Counter<L extends string = never> {
  /** Adds `by` (>= 0, default 1). */
  add(labels: Labels<L>, by?: number): void;
}

export interface Gauge<L extends string = never> {
  set(labels: Labels<L>, value: number): void;
  add(labels: Labels<L>, by: number): void;
}

export interface Histogram<L extends string = never> {
  /** `value` in the unit that the metric's name carries (`_seconds`, `_bytes`). */
  observe(labels: Labels<L>, value: number): void;
}

export interface MetricOptions<L extends string> {
  /** Snake case with unit and, for counters, `_total`; `sallyport_` is put in front. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly L[];
}

export type Collect = () => number | undefined | Promise<number | undefined>;

export interface Metrics {
  counter<L extends string = never>(options: MetricOptions<L>): Counter<L>;
  /**
   * With `collect`, the value is read at exposition, which waits for it; return it or `undefined` to keep the last one.
   * What it throws fails the exposition.
   */
  gauge<L extends string = never>(options: MetricOptions<L> & { readonly collect?: Collect }): Gauge<L>;
  histogram<L extends string = never>(
    options: MetricOptions<L> & { readonly buckets: readonly number[] },
  ): Histogram<L>;
  /** Prometheus text exposition. */
  exposition(): Promise<string>;
  readonly contentType: string;
}

export interface MetricsOptions {
  /** Becomes the label `service` on every series. */
  readonly service: string;
}

const namePattern = /^[a-z][a-z0-9_]*$/;

/** Throws on a name or label that is malformed, reserved or already taken: a defect found at start-up. */
export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service: options.service });

  function definition<L extends string>(metric: MetricOptions<L>) {
    if (!namePattern.test(metric.name)) throw new Error(`metric name ${metric.name} is not snake case`);
    for (const label of metric.labels ?? []) {
      if (!namePattern.test(label) || label === 'service' || label === 'le') {
        throw new Error(`label ${label} of metric ${metric.name} is malformed or reserved`);
      }
    }
    return {
      name: `sallyport_${metric.name}`,
      help: metric.help,
      labelNames: [...(metric.labels ?? [])] as string[],
      registers: [registry],
    };
  }

  return {
    counter(metric) {
      const counter = new PromCounter(definition(metric));
      return { add: (labels, by = 1) => counter.inc({ ...labels }, by) };
    },
    gauge(metric) {
      const { collect } = metric;
      const gauge = new PromGauge({
        ...definition(metric),
        ...(collect === undefined
          ? {}
          : {
              async collect() {
                const value = await collect();
                if (value !== undefined) gauge.set(value);
              },
            }),
      });
      return {
        set: (labels, value) => gauge.set({ ...labels }, value),
        add: (labels, by) => gauge.inc({ ...labels }, by),
      };
    },
    histogram(metric) {
      const histogram = new PromHistogram({ ...definition(metric), buckets: [...metric.buckets] });
      return { observe: (labels, value) => histogram.observe({ ...labels }, value) };
    },
    exposition: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
