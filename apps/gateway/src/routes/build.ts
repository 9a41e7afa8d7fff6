/** The routes of a configuration, by destination. */
import type { Route } from '../app/ports.ts';
import { DESTINATION, type RouteConfig } from '../config.ts';
import { echoRoute } from './echo.ts';
import { httpRoute } from './http.ts';

export type Routes = AsyncDisposable & { readonly byName: ReadonlyMap<string, Route> };

/** Throws `TypeError` for a destination that no message could name, or a URL that is none. */
export function buildRoutes(config: Readonly<Record<string, RouteConfig>>): Routes {
  const byName = new Map<string, Route>();
  const resources = new AsyncDisposableStack();
  for (const [name, route] of Object.entries(config)) {
    if (!DESTINATION.test(name))
      throw new TypeError(`"${name}" is not a destination: 1 to 255 printable characters`);
    byName.set(name, route.kind === 'echo' ? echoRoute() : resources.use(httpRoute(route)));
  }
  return { byName, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}
