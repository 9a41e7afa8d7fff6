/** Names as branded strings: one that exists is well formed. */
import { accept, quoted, refuse, type Result } from './result.ts';

declare const brand: unique symbol;
type Branded<B extends string> = string & { readonly [brand]: B };

/** Starts with a letter, ends with a letter or digit: `[a-z]([a-z0-9-]{0,61}[a-z0-9])?`. */
export type RoleName = Branded<'role'>;
/** `user:alice`, `workload:batch`, `device:door-3`. */
export type PrincipalId = Branded<'principal'>;
/** How a gateway names its own process, e.g. `gateway-0#3f9c`. */
export type InstanceName = Branded<'instance'>;

const rolePattern = /^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const principalPattern = /^(?:user|workload|device):[a-z0-9._-]{1,64}$/;
const instancePattern = /^[A-Za-z0-9][A-Za-z0-9._:#/-]{0,199}$/;

function parser<T extends string>(pattern: RegExp, what: string, form: string) {
  return (text: string, field: string): Result<T> =>
    pattern.test(text)
      ? accept(text as T)
      : refuse('malformed', field, `${quoted(text)} is not ${what}: ${form}.`);
}

export const parseRoleName = parser<RoleName>(
  rolePattern,
  'a role name',
  'write 1 to 63 of a-z, 0-9 and "-", beginning with a letter and not ending with "-"',
);

export const parsePrincipalId = parser<PrincipalId>(
  principalPattern,
  'a principal',
  'write user:<id>, workload:<id> or device:<id> with an id of 1 to 64 of a-z, 0-9, ".", "_" and "-"',
);

export const parseInstanceName = parser<InstanceName>(
  instancePattern,
  'an instance name',
  'write 1 to 200 letters, digits and "._:#/-", beginning with a letter or digit',
);
