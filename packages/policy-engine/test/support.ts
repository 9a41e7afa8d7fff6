/** Real keys, real bundles, the committed module: what the tests of this package start from. */

import { generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { builtInRoles, readPolicyWasm } from '@sallyport/policies';
import { buildBundle } from '../src/bundle.ts';
import type { BundleContent, BundleKeys, BundleSigner, VerifiedBundle } from '../src/bundle.ts';
import type { DecisionRequest } from '../src/decision.ts';
import { PolicyEngine } from '../src/engine.ts';
import type { EngineOptions } from '../src/engine.ts';
import type { RoleBinding } from '../src/roles.ts';
import { verifyBundle } from '../src/verify-bundle.ts';

export const policyWasm = await readPolicyWasm();

const pair = generateKeyPairSync('ed25519');

export const KEY_ID = 'bundle-1';
export const bundlePrivateKey: KeyObject = pair.privateKey;
export const bundleKeys: BundleKeys = new Map([[KEY_ID, pair.publicKey]]);
export const signer: BundleSigner = {
  keyId: KEY_ID,
  sign: (bytes) => Promise.resolve(new Uint8Array(sign(null, bytes, pair.privateKey))),
};

export function bind(principal: string, ...roles: string[]): RoleBinding[] {
  return roles.map((role) => ({ tenant: 'default', principal, role }));
}

export function contentOf(overrides: Partial<BundleContent> = {}): BundleContent {
  const bindings = [
    ...bind('user:admin', 'admin', 'sender', 'auditor'),
    ...bind('user:alice', 'sender'),
    ...bind('user:guest', 'guest'),
  ];
  return { revision: 1, wasm: policyWasm, roles: builtInRoles, bindings, ...overrides };
}

export async function bundleOf(overrides: Partial<BundleContent> = {}): Promise<VerifiedBundle> {
  const result = await verifyBundle(await buildBundle(contentOf(overrides), signer), bundleKeys);
  if (!result.ok) throw new Error(result.problem);
  return result.bundle;
}

export type TestClock = { nowMs: number; readonly monotonicMs: () => number };

export function testClock(): TestClock {
  const clock = { nowMs: 1000, monotonicMs: () => clock.nowMs };
  return clock;
}

export async function engineWith(
  overrides: Partial<BundleContent> = {},
  options: Partial<EngineOptions> = {},
): Promise<PolicyEngine> {
  const engine = new PolicyEngine({ monotonicMs: () => 0, ...options });
  const loaded = await engine.load(await bundleOf(overrides));
  if (!loaded.ok) throw new Error(loaded.detail);
  return engine;
}

export function requestOf(id: string, action: string, name: string): DecisionRequest {
  return {
    principal: { id, tenant: 'default', method: 'certificate' },
    action,
    resource: { kind: 'destination', name },
  };
}
