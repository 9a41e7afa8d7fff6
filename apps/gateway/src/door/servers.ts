/**
 * The servers behind the door, each as its callers see it: guarded, in the era that they speak, and all of them as one.
 * Both faces have the same ones.
 */
import { eraOf, type Era } from '@sallyport/model-context';
import type { DecisionRequest } from '@sallyport/policy-engine';
import type { Log } from '@sallyport/service/log';
import { federated } from './federate/federated.ts';
import { FEDERATED_ROUTE, type FederatePorts } from './federate/ports.ts';
import { guardedServer, recordUnrouted, type GuardedMetrics, type GuardedPorts } from './guarded/index.ts';
import type { DoorServers } from './http/index.ts';
import type { Caller, ModelContextServer, Upstream } from './ports.ts';
import { facing } from './translate/facing.ts';
import type { TranslatePorts } from './translate/ports.ts';

export type ServersPorts = Omit<GuardedPorts, 'route' | 'metrics' | 'onProblem'> & {
  readonly metricsOf: (route: string) => GuardedMetrics;
  readonly translate: TranslatePorts;
  readonly federate: Omit<FederatePorts, 'leftOut' | 'mayUse' | 'refused' | 'handles' | 'now'>;
  readonly log: Pick<Log, 'warn' | 'debug'>;
};

export type OpenedServers = DoorServers &
  AsyncDisposable & {
    /** Of servers that are not well, for people. */
    trouble(): string | undefined;
  };

/** Takes ownership of the upstreams. Connects to nothing. */
export function guardServers(upstreams: readonly Upstream[], ports: ServersPorts): OpenedServers {
  const closing = new AsyncDisposableStack();
  for (const upstream of upstreams) closing.use(upstream);
  const routes = new Map<string, ModelContextServer>();
  for (const upstream of upstreams) {
    const { route } = upstream;
    const guarded = {
      ...ports,
      route,
      metrics: ports.metricsOf(route),
      onProblem: (what: string, fields: Readonly<Record<string, unknown>>) =>
        ports.log.warn(what, { route, ...fields }),
    };
    const speaking = (era: Era): ModelContextServer =>
      guardedServer(closing.use(facing(upstream, era, ports.translate)), guarded);
    routes.set(route, byEra({ stateless: speaking('stateless'), session: speaking('session') }));
  }
  const together =
    routes.size === 0
      ? undefined
      : closing.use(
          federated(routes, {
            ...ports.federate,
            handles: ports.handles,
            now: ports.monotonic,
            leftOut: ({ route, method, cause }) =>
              ports.log.warn('a server was left out of an answer', { route, method, error: cause }),
            refused: recordUnrouted({
              ...ports,
              route: FEDERATED_ROUTE,
              metrics: ports.metricsOf(FEDERATED_ROUTE),
              onProblem: (what, fields) => ports.log.warn(what, fields),
            }),
            mayUse: (caller, route) => Promise.resolve(mayUse(ports.decide, caller, route)),
          }),
        );
  return {
    routes,
    federated: together,
    trouble: () =>
      upstreams
        .map((upstream) => ({ route: upstream.route, trouble: upstream.trouble() }))
        .filter(({ trouble }) => trouble !== undefined)
        .map(({ route, trouble }) => `${route}: ${trouble ?? ''}`)
        .join(', ') || undefined,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

function byEra(servers: Readonly<Record<Era, ModelContextServer>>): ModelContextServer {
  return {
    send: (call) => servers[eraOf(call.revision)].send(call),
    listen: (call) => servers[eraOf(call.revision)].listen(call),
    end: (call) => servers[eraOf(call.revision)].end(call),
  };
}

/** A server that one may not even greet is as if it were not there. */
function mayUse(decide: GuardedPorts['decide'], { principal }: Caller, route: string): boolean {
  const resource = { kind: 'server', name: route };
  const isAllowed = (action: string): boolean => {
    const question: DecisionRequest = { principal, action, resource };
    return decide(question).decision === 'allow';
  };
  try {
    return isAllowed('context.initialize') || isAllowed('context.server.discover');
  } catch {
    return false;
  }
}
