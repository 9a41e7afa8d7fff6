/** Signed bundles by packages/policy-engine: what a gateway would refuse never leaves here. */
import type { KeyObject } from 'node:crypto';
import { ED25519 } from '@sallyport/crypto';
import {
  PolicyEngine,
  buildBundle,
  verifyBundle,
  type RoleTable,
  type ToolPin,
  type ToolPinning,
  type ToolPins,
} from '@sallyport/policy-engine';
import type { Bundles, Evaluate, Publication } from '../app/ports.ts';
import { bindingsOf, type PolicyState } from '../domain/policy-state.ts';
import { activeBundleKey, signWith, type KeyCalls } from './bundle-key.ts';

export type BundlesOptions = {
  readonly keys: KeyCalls;
  readonly wasm: Uint8Array;
  readonly tenant: string;
  readonly pinning: ToolPinning;
  /** Never goes back; milliseconds. */
  readonly monotonicMs: () => number;
};

export function signedBundles(options: BundlesOptions): Bundles {
  return {
    async build(state) {
      const key = await activeBundleKey(options.keys);
      const content = {
        revision: Number(state.revision),
        wasm: options.wasm,
        roles: roleTable(state),
        bindings: bindingsOf(state).map((binding) => ({ tenant: options.tenant, ...binding })),
        toolPins: toolPinsOf(state, options.pinning),
      };
      const sign = (message: Uint8Array) => signWith(options.keys, key, message);
      const bundle = await buildBundle(content, { keyId: key.keyId, sign });
      return { revision: state.revision, bundle, ...key };
    },

    async open(publication) {
      const verified = await verifyBundle(publication.bundle, keysOf(publication));
      if (!verified.ok) throw new Error(`bundle of revision ${publication.revision}: ${verified.problem}`);
      if (BigInt(verified.bundle.revision) !== publication.revision) {
        throw new Error(`bundle says revision ${verified.bundle.revision}, not ${publication.revision}`);
      }
      // An engine per revision: what decides is swapped whole, by swapping the function.
      const engine = new PolicyEngine({ monotonicMs: options.monotonicMs });
      const loaded = await engine.load(verified.bundle);
      if (!loaded.ok) throw new Error(`bundle of revision ${publication.revision}: ${loaded.detail}`);
      return evaluator(engine);
    },
  };
}

function evaluator(engine: PolicyEngine): Evaluate {
  return ({ principal, tenant, method, action, resource, arguments: given }) => {
    const answer = engine.decide({
      principal: { id: principal, tenant, method },
      action,
      resource,
      ...(given === undefined ? {} : { arguments: given }),
    });
    return {
      allowed: answer.decision === 'allow',
      reasons: answer.reasons,
      requires: answer.requires,
      roles: answer.effectiveRoles,
      revision: BigInt(answer.policyRevision),
    };
  };
}

function roleTable(state: PolicyState): RoleTable {
  return Object.fromEntries(
    [...state.roles.values()].map(({ name, inherits, permissions }) => [name, { inherits, permissions }]),
  );
}

function toolPinsOf(state: PolicyState, mode: ToolPinning): ToolPins {
  const routes = new Map<string, Map<string, ToolPin>>();
  for (const { route, tool, pinned } of state.tools.values()) {
    const tools = routes.get(route) ?? new Map<string, ToolPin>();
    tools.set(tool, pinned === '' ? { kind: 'unapproved' } : { kind: 'pinned', digest: pinned });
    routes.set(route, tools);
  }
  return { mode, routes };
}

function keysOf(publication: Publication): ReadonlyMap<string, KeyObject> {
  const key = ED25519.publicKeyFromRaw(publication.publicKey);
  return key === undefined ? new Map() : new Map([[publication.keyId, key]]);
}
