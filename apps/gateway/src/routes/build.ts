/** The routes of a configuration, by destination. */
import type { Log } from '@sallyport/service/log';
import type { Route } from '../app/ports.ts';
import type { AttemptsPorts, RemoteRoute, RoutePorts } from './attempts.ts';
import type { BreakerState } from './breaker.ts';
import type { RouteConfig } from './config.ts';
import { echoRoute } from './echo.ts';
import { httpRoute } from './http.ts';
import type { RouteMeters } from './measure.ts';
import { natsRoute } from './nats.ts';
import { natsConnections } from './nats-connections.ts';

export type Routes = AsyncDisposable & {
  readonly byName: ReadonlyMap<string, Route>;
  /** Destinations whose circuit is not closed, for people. */
  troubled(): readonly { readonly destination: string; readonly state: BreakerState }[];
};

export type BuildPorts = Omit<AttemptsPorts, 'meter'> & {
  readonly meters: RouteMeters;
  readonly log: Log;
  /** Destinations of the gateway itself. */
  readonly builtIn?: Readonly<Record<string, Route>>;
};

/** From a configuration without problems. Throws `TypeError` for files that cannot be used. */
export function buildRoutes(config: Readonly<Record<string, RouteConfig>>, ports: BuildPorts): Routes {
  const { meters, log, monotonic, random } = ports;
  const byName = new Map<string, Route>(Object.entries(ports.builtIn ?? {}));
  const remote = new Map<string, RemoteRoute>();
  const closing = new AsyncDisposableStack();
  const connections = closing.use(natsConnections(log, monotonic));

  function make(destination: string, route: Exclude<RouteConfig, { kind: 'echo' }>): RemoteRoute {
    const given: RoutePorts = {
      monotonic,
      random,
      meter: meters.of(destination, () => remote.get(destination)?.state() ?? 'closed'),
      onProblem: (problem) => log.warn('a route has a problem', { destination, problem }),
    };
    if (route.kind === 'http') return httpRoute(route, given);
    if (route.nats.caFile === undefined)
      log.warn('a route is without TLS: allowInsecurePlaintext is set', { destination });
    return natsRoute(route, connections.to(route.nats), given);
  }

  try {
    for (const [destination, route] of Object.entries(config)) {
      if (route.kind === 'echo') byName.set(destination, echoRoute());
      else {
        const made = closing.use(make(destination, route));
        remote.set(destination, made);
        byName.set(destination, made);
      }
    }
  } catch (error) {
    void closing.disposeAsync();
    throw error;
  }
  return {
    byName,
    troubled: () =>
      [...remote]
        .map(([destination, route]) => ({ destination, state: route.state() }))
        .filter(({ state }) => state !== 'closed'),
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}
