/** What upstreams count, by route: names from the configuration, a closed set. */
import type { Metrics } from '@sallyport/service/metrics';
import type { BreakerState } from '../../routes/breaker.ts';
import type { UpstreamProblem } from '../ports.ts';

export type ExchangeEnd = 'answered' | UpstreamProblem;
/** Why a child is no more. `defect`: it broke the protocol or a limit. */
export type ChildEnd = 'idle' | 'ended' | 'exited' | 'defect' | 'memory' | 'stopped';

export type UpstreamMeter = {
  /** Asked at each exposition. */
  circuit(state: () => BreakerState): void;
  exchange(end: ExchangeEnd): void;
  underWay(by: 1 | -1): void;
  /** A broken event stream was taken up again. */
  resumed(): void;
  /** Something that is not the protocol, survived. */
  malformed(): void;
  childStarted(): void;
  childEnded(why: ChildEnd): void;
};

export type UpstreamMeters = {
  of(route: string): UpstreamMeter;
};

const STATE = { closed: 0, half_open: 1, open: 2 } as const satisfies Record<BreakerState, number>;

/** Once for a gateway: one family for all routes. */
export function upstreamMeters(metrics: Metrics): UpstreamMeters {
  const states = new Map<string, () => BreakerState>();
  const exchanges = metrics.counter({
    name: 'upstream_exchanges_total',
    help: 'Exchanges with servers of the Model Context Protocol, by how they ended',
    labels: ['route', 'end'],
  });
  const underWay = metrics.gauge({
    name: 'upstream_exchanges',
    help: 'Exchanges under way, streams among them',
    labels: ['route'],
  });
  const resumed = metrics.counter({
    name: 'upstream_resumptions_total',
    help: 'Broken event streams that were taken up again',
    labels: ['route'],
  });
  const malformed = metrics.counter({
    name: 'upstream_malformed_total',
    help: 'Messages and lines left out because they are not the protocol',
    labels: ['route'],
  });
  const children = metrics.gauge({
    name: 'upstream_children',
    help: 'Child processes that serve',
    labels: ['route'],
  });
  const starts = metrics.counter({
    name: 'upstream_child_starts_total',
    help: 'Child processes started',
    labels: ['route'],
  });
  const ends = metrics.counter({
    name: 'upstream_child_ends_total',
    help: 'Child processes that ended, by why',
    labels: ['route', 'why'],
  });
  const circuit = metrics.gauge({
    name: 'upstream_circuit_state',
    help: '0 closed, 1 half-open, 2 open',
    labels: ['route'],
    collect() {
      for (const [route, state] of states) circuit.set({ route }, STATE[state()]);
      return undefined;
    },
  });
  return {
    of(route) {
      return {
        circuit: (state) => void states.set(route, state),
        exchange: (end) => exchanges.add({ route, end }),
        underWay: (by) => underWay.add({ route }, by),
        resumed: () => resumed.add({ route }),
        malformed: () => malformed.add({ route }),
        childStarted() {
          starts.add({ route });
          children.add({ route }, 1);
        },
        childEnded(why) {
          ends.add({ route, why });
          children.add({ route }, -1);
        },
      };
    },
  };
}
