/** The edge's metrics, made once per registry however many servers and clients share it. */
import { status } from '@grpc/grpc-js';
import type { Metrics } from '../metrics/index.ts';

export interface Instruments {
  readonly call: (side: 'server' | 'client', method: string, code: number, durationMs: number) => void;
  readonly connections: (open: number) => void;
  readonly refused: (cause: 'tls' | 'limit') => void;
}

const NONE: Instruments = { call: () => {}, connections: () => {}, refused: () => {} };
const made = new WeakMap<Metrics, Instruments>();
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30];

export function instrumentsOf(metrics: Metrics | undefined): Instruments {
  if (metrics === undefined) return NONE;
  const known = made.get(metrics);
  if (known !== undefined) return known;
  const calls = metrics.counter({
    name: 'grpc_calls_total',
    help: 'Finished gRPC calls',
    labels: ['side', 'method', 'code'],
  });
  const seconds = metrics.histogram({
    name: 'grpc_call_duration_seconds',
    help: 'From the request to the status',
    labels: ['side', 'method'],
    buckets: BUCKETS,
  });
  const connections = metrics.gauge({
    name: 'grpc_connections',
    help: 'Open connections, those in their handshake included',
  });
  const refused = metrics.counter({
    name: 'grpc_connections_refused_total',
    help: 'Connections that did not come about',
    labels: ['cause'],
  });
  const instruments: Instruments = {
    call(side, method, code, durationMs) {
      calls.add({ side, method, code: status[code] ?? 'UNKNOWN' });
      seconds.observe({ side, method }, durationMs / 1000);
    },
    connections: (open) => connections.set({}, open),
    refused: (cause) => refused.add({ cause }),
  };
  made.set(metrics, instruments);
  return instruments;
}
