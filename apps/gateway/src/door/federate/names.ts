/**
 * Names of tools and prompts of several servers side by side. Pure.
 *
 * A name stays as it is while no other server has it; where it collides, all that collide are called `<route>__<name>`. A name
 * made that way which another server has as its own collides in turn. What is left equal (a route may contain `__`) goes to the
 * server configured first. So no server can take over a name that a client knows from another.
 */
import { createHash } from 'node:crypto';

export type Owned = { readonly route: string; readonly name: string };

/** 2025-11-25 "Tools", "Tool Names". */
export const MAX_NAME_LENGTH = 128;

/** At most 128 characters: what is longer ends in eight hex digits of its digest. The same for the same name, always. */
export const prefixed = ({ route, name }: Owned): string => {
  const whole = `${route}__${name}`;
  if (whole.length <= MAX_NAME_LENGTH) return whole;
  const mark = `-${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;
  return `${whole.slice(0, MAX_NAME_LENGTH - mark.length)}${mark}`;
};

/**
 * The public name of each, in the order given (the configured one); undefined: no name is left for it. `routes`: all that there
 * are, also those of which nothing is known now: what begins with another's prefix is never taken for that one's.
 */
export function publicNames(
  all: readonly Owned[],
  routes: readonly string[] = [...new Set(all.map(({ route }) => route))],
): readonly (string | undefined)[] {
  const users = new Map<string, Set<number>>();
  const isPrefixed = all.map(() => false);
  const names = all.map(({ name }) => name);
  const open: string[] = [];
  const use = (at: number, name: string): void => {
    const same = users.get(name) ?? new Set();
    users.set(name, same.add(at));
    if (same.size > 1) open.push(name);
  };
  const prefix = (at: number): void => {
    const one = all[at];
    if (one === undefined || isPrefixed[at] === true) return;
    isPrefixed[at] = true;
    names[at] = prefixed(one);
    use(at, prefixed(one));
  };
  for (const [at, { name }] of all.entries()) use(at, name);
  for (const [at, { route, name }] of all.entries())
    if (name.includes('__') && routes.some((other) => other !== route && name.startsWith(`${other}__`)))
      prefix(at);
  // Each is prefixed once, so that this ends however servers choose their names. What has given up a name still counts as one
  // that it collided with.
  for (let name = open.pop(); name !== undefined; name = open.pop())
    for (const at of users.get(name) ?? []) prefix(at);

  const taken = new Set<string>();
  return names.map((name) => {
    if (taken.has(name)) return undefined;
    taken.add(name);
    return name;
  });
}
