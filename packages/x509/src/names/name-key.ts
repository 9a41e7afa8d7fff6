/** Distinguished names compared after RFC 5280 section 7.1. */
import type { Name } from '../certificate/types.ts';

/** Two names are the same, after section 7.1, exactly when their keys are. Memoised per `Name`. */
export function nameKey(name: Name): string {
  return Buffer.from(name.der).toString('latin1');
}

export function sameName(a: Name, b: Name): boolean {
  return nameKey(a) === nameKey(b);
}

/** Section 7.1: whether `name` is in the subtree of `base`, which is so when the first RDNs of `name` are those of `base`. */
export function isWithin(name: Name, base: Name): boolean {
  return nameKey(name).startsWith(nameKey(base));
}
