/** What routes count, by destination: names from the configuration, a closed set. */
import type { Metrics } from '@sallyport/service/metrics';
import type { BreakerState } from './breaker.ts';

export type RouteMeter = {
  /** A further attempt of a message. */
  repeated(): void;
  /** Not tried: the circuit was open. */
  refused(): void;
};

export type RouteMeters = {
  of(destination: string, state: () => BreakerState): RouteMeter;
};

const STATE = { closed: 0, half_open: 1, open: 2 } as const satisfies Record<BreakerState, number>;

export function routeMeters(metrics: Metrics): RouteMeters {
  const states = new Map<string, () => BreakerState>();
  const labels = ['destination'] as const;
  const repeated = metrics.counter({
    name: 'route_repeats_total',
    help: 'Attempts after the first',
    labels,
  });
  const refused = metrics.counter({
    name: 'route_circuit_refusals_total',
    help: 'Attempts that were not made because the circuit was open',
    labels,
  });
  const circuit = metrics.gauge({
    name: 'route_circuit_state',
    help: '0 closed, 1 half-open, 2 open',
    labels,
    collect() {
      for (const [destination, state] of states) circuit.set({ destination }, STATE[state()]);
      return undefined;
    },
  });
  return {
    of(destination, state) {
      states.set(destination, state);
      return {
        repeated: () => repeated.add({ destination }),
        refused: () => refused.add({ destination }),
      };
    },
  };
}
