/**
 * What other packages take from here: the compiled policy and the roles it is shipped with. Both are files of this
 * folder; nothing is compiled at run time and `opa` is not needed.
 */

import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** The name under which the module answers; part of every bundle's manifest. */
export const policyEntrypoint = 'sallyport/decision';

export type BuiltInRole = {
  readonly inherits: readonly string[];
  readonly permissions: readonly { readonly action: string; readonly resource: string }[]; // none has conditions
};

/** Roles that exist in every deployment and cannot be changed; administrators add their own beside them. */
export const builtInRoles: Readonly<Record<string, BuiltInRole>> = JSON.parse(
  readFileSync(new URL('./src/roles.json', import.meta.url), 'utf8'),
) as Record<string, BuiltInRole>;

/** The committed `dist/policy.wasm`. Throws only if the checkout is incomplete. */
export async function readPolicyWasm(): Promise<Uint8Array> {
  return new Uint8Array(await readFile(new URL('./dist/policy.wasm', import.meta.url)));
}
