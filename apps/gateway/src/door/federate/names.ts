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

export const prefixed = ({ route, name }: Owned): string => {
  const whole = `${route}__${name}`;
  if (whole.length <= MAX_NAME_LENGTH) return whole;
  const mark = `-${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;
  return `${whole.slice(0, MAX_NAME_LENGTH - mark.length)}${mark}`;
};

/** The public name of each, in the order given (the configured one); undefined: no name is left for it. */
export function publicNames(all: readonly Owned[]): readonly (string | undefined)[] {
  const isPrefixed = all.map(() => false);
  const nameAt = (at: number): string => {
    const one = all[at] as Owned;
    return isPrefixed[at] === true ? prefixed(one) : one.name;
  };
  for (let isSettled = false; !isSettled;) {
    isSettled = true;
    const users = new Map<string, number[]>();
    for (const at of all.keys()) users.set(nameAt(at), [...(users.get(nameAt(at)) ?? []), at]);
    for (const same of users.values()) {
      if (same.length === 1) continue;
      for (const at of same) {
        if (isPrefixed[at] === true) continue;
        isPrefixed[at] = true;
        isSettled = false;
      }
    }
  }
  const taken = new Set<string>();
  return [...all.keys()].map((at) => {
    const name = nameAt(at);
    if (taken.has(name)) return undefined;
    taken.add(name);
    return name;
  });
}
