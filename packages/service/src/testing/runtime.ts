import type { Bus } from '../bus/index.ts';
import type { ServiceName } from '../identity/index.ts';
import type { Log } from '../log/index.ts';
import { createMetrics } from '../metrics/index.ts';
import type { ServiceRuntime } from '../runtime/index.ts';
import { silentTracer, type Tracer } from '../telemetry/index.ts';
import type { TestAuthority } from './authority.ts';

export interface TestSurroundings {
  readonly authority: TestAuthority;
  readonly bus: Bus;
  readonly log: Log;
  /** Gets the names of spans, their attributes, events and failures. */
  readonly spans?: unknown[];
}

/** What a process gives the service `name`: real identity and clock, series of its own, spans as a list. */
export async function testRuntime(
  name: ServiceName,
  { authority, bus, log, spans = [] }: TestSurroundings,
): Promise<ServiceRuntime> {
  return {
    identity: await authority.identity(`svc/${name}`),
    trust: authority.trust,
    bus,
    clock: authority.clock,
    log,
    metrics: createMetrics({ service: name }),
    tracer: listTracer(spans),
  };
}

function listTracer(spans: unknown[]): Tracer {
  const span = {
    context: { traceId: '1'.repeat(32), spanId: '1'.repeat(16), sampled: false },
    set: (attributes: unknown) => void spans.push(attributes),
    event: (...event: unknown[]) => void spans.push(event),
    fail: (code: string) => void spans.push(code),
  };
  return {
    ...silentTracer,
    span: (name, attributes, fn) => {
      spans.push({ name, attributes });
      return fn(span);
    },
  };
}
