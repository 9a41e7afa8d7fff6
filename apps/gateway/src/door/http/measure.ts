/** What the HTTPS face counts (docs/metrics.md). Labels come from closed sets. */
import { isRequest, isResponse, type Message, type Revision } from '@sallyport/model-context';
import type { Metrics } from '@sallyport/service/metrics';

export type DoorMetrics = {
  /** `revision`: undefined where the request did not come so far. */
  answered(revision: Revision | undefined, kind: RequestKind, status: number, ms: number): void;
  tokenRefused(cause: string): void;
  proof(verdict: 'new' | 'seen' | 'stale' | 'unknown'): void;
  shed(): void;
  forwarded(status: number): void;
  stream(): Disposable;
};

const METHODS = {
  initialize: 'initialize',
  'server/discover': 'discover',
  'tools/call': 'tools_call',
  'tools/list': 'tools_list',
  'resources/list': 'resources_list',
  'resources/read': 'resources_read',
  'prompts/list': 'prompts_list',
  'prompts/get': 'prompts_get',
  'completion/complete': 'complete',
  'subscriptions/listen': 'listen',
  ping: 'ping',
} as const;
type MethodKind = (typeof METHODS)[keyof typeof METHODS];

export type RequestKind = MethodKind | 'notification' | 'response' | 'end' | 'other' | 'refused';

const KINDS: ReadonlyMap<string, MethodKind> = new Map(Object.entries(METHODS));

/** A label: the method where it is a known one, never the client's own words. */
export function kindOf(message: Message): RequestKind {
  if (isRequest(message)) return KINDS.get(message.method) ?? 'other';
  return isResponse(message) ? 'response' : 'notification';
}

const SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2, 10] as const;
const MS_PER_SECOND = 1_000;

/** Once for a gateway: registers its families with `metrics`. Times are given in milliseconds. */
export function doorMetrics(metrics: Metrics, gauges: { readonly underWay: () => number }): DoorMetrics {
  const requests = metrics.counter({
    name: 'door_requests_total',
    help: 'Requests of the Model Context Protocol door by revision, kind and HTTP status',
    labels: ['revision', 'kind', 'status'],
  });
  const time = metrics.histogram({
    name: 'door_request_seconds',
    help: 'From the head of a request to the end of its response; streams that wait are not counted',
    labels: ['kind'],
    buckets: SECONDS,
  });
  const refusals = metrics.counter({
    name: 'door_token_refusals_total',
    help: 'Requests of the door without a good token, by cause',
    labels: ['cause'],
  });
  const proofs = metrics.counter({
    name: 'door_proofs_total',
    help: 'DPoP proofs by what the guard said of them; unknown = it could not be asked',
    labels: ['verdict'],
  });
  const shed = metrics.counter({
    name: 'door_shed_total',
    help: 'Requests of the door that there was no room for',
  });
  const forwarded = metrics.counter({
    name: 'door_forwarded_total',
    help: 'Requests passed on to auth-service, by HTTP status',
    labels: ['status'],
  });
  const streams = metrics.gauge({ name: 'door_streams', help: 'Event streams that are open' });
  metrics.gauge({
    name: 'door_under_way',
    help: 'Requests and streams of the door under way',
    collect: gauges.underWay,
  });
  streams.set({}, 0);
  return {
    answered(revision, kind, status, ms) {
      requests.add({ revision: revision ?? 'none', kind, status: String(status) });
      if (kind !== 'listen' && kind !== 'refused') time.observe({ kind }, ms / MS_PER_SECOND);
    },
    tokenRefused: (cause) => refusals.add({ cause }),
    proof: (verdict) => proofs.add({ verdict }),
    shed: () => shed.add({}),
    forwarded: (status) => forwarded.add({ status: String(status) }),
    stream() {
      streams.add({}, 1);
      return { [Symbol.dispose]: () => streams.add({}, -1) };
    },
  };
}
