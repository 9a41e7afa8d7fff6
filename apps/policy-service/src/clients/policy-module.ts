/** What this release ships: the compiled policy and its built-in roles (folder `policies`). */
import { sha256, toHex, utf8 } from '@sallyport/crypto';
import { builtInRoles, readPolicyWasm } from '@sallyport/policies';
import { parseRole, type Role } from '../domain/role.ts';
import type { ToolPinning } from '../domain/tool.ts';

export type PolicyModule = {
  readonly wasm: Uint8Array;
  readonly roles: readonly Role[];
  /** SHA-256 over module and roles, hex: another digest means that every gateway needs a new bundle. */
  readonly digest: string;
};

/** Under `approve`, bundles are others than under `first-use`. */
export function contentDigest(module: PolicyModule, pinning: ToolPinning): string {
  return pinning === 'first-use' ? module.digest : toHex(sha256(utf8(`${module.digest} tools: ${pinning}`)));
}

/** Throws when the checkout is incomplete or a shipped role is not one. */
export async function readPolicyModule(): Promise<PolicyModule> {
  const wasm = await readPolicyWasm();
  const roles = Object.entries(builtInRoles).map(([name, { inherits, permissions }]) => {
    const role = parseRole({ name, inherits, permissions, description: '' }, true, name);
    if (!role.ok) throw new Error(`built-in role ${role.refusal.field}: ${role.refusal.message}`);
    return role.value;
  });
  return { wasm, roles, digest: toHex(sha256(sha256(wasm), utf8(JSON.stringify(roles)))) };
}
