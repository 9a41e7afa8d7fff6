/** The routes of a configuration, by destination. */
import type { Route } from '../app/ports.ts';
import type { RouteConfig } from '../config.ts';
import { echoRoute } from './echo.ts';
import { httpRoute } from './http.ts';

export type Routes = AsyncDisposable & { readonly byName: ReadonlyMap<string, Route> };

/** From a configuration without problems. */
export function buildRoutes(config: Readonly<Record<string, RouteConfig>>): Routes {
  const byName = new Map<string, Route>();
  const resources = new AsyncDisposableStack();
  for (const [name, route] of Object.entries(config)) {
    byName.set(name, route.kind === 'echo' ? echoRoute() : resources.use(httpRoute(route)));
  }
  return { byName, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}
