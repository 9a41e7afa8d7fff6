/** Fakes and builders shared by this service's tests. */
import { create } from '@bufbuild/protobuf';
import { ED25519 } from '@sallyport/crypto';
import { keyv1 } from '@sallyport/proto';
import { unavailable } from '@sallyport/service/errors';
import { createPublisher, type Publisher, type PublisherPorts } from '../src/app/publish.ts';
import type { Actor, LoggedChange, Sleep } from '../src/app/ports.ts';
import type { WritePorts } from '../src/app/write.ts';
import { signedBundles } from '../src/clients/bundles.ts';
import type { KeyCalls } from '../src/clients/bundle-key.ts';
import { readPolicyModule } from '../src/clients/policy-module.ts';
import { parseBinding, type Binding } from '../src/domain/binding.ts';
import { planStart } from '../src/domain/plan-start.ts';
import { applied, type PolicyState } from '../src/domain/policy-state.ts';
import type { Result } from '../src/domain/result.ts';
import { parseRole, type Role, type RoleInput } from '../src/domain/role.ts';
import { memoryStore } from '../src/store/memory.ts';
import type { PolicyStore } from '../src/store/store.ts';

export function valid<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.refusal.field}: ${result.refusal.message}`);
  return result.value;
}

export const roleInput = (name: string, changes: Partial<RoleInput> = {}): RoleInput => ({
  name,
  inherits: [],
  permissions: [{ action: 'message.send', resource: 'echo' }],
  description: '',
  ...changes,
});

export const role = (name: string, changes: Partial<RoleInput> = {}, builtIn = false): Role =>
  valid(parseRole(roleInput(name, changes), builtIn));

export const binding = (principal: string, roleName: string): Binding =>
  valid(parseBinding({ principal, role: roleName }));

export const admin: Actor = {
  kind: 'principal',
  id: 'user:admin',
  peerAddress: '127.0.0.1',
  correlationId: '0123456789abcdef0123456789abcdef',
};

/** A state with these roles and bindings, at revision 1. */
export function stateWith(roles: readonly Role[], bindings: readonly Binding[] = []): PolicyState {
  const empty: PolicyState = {
    revision: 0n,
    contentDigest: '',
    roles: new Map(roles.map((each) => [each.name, each])),
    bindings: new Map(),
    roleRevisions: new Map(),
    tools: new Map(),
  };
  return applied(
    empty,
    bindings.map((after) => ({ kind: 'binding-put', after })),
  );
}

/** Never by itself: only when aborted. Time-outs do not fire, loops wait to be woken. */
export const untilAborted: Sleep = (_ms, signal) =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

export type FakeKeys = KeyCalls & {
  away: boolean;
  signatures: number;
  /** Runs after the key was looked up and before it signs. */
  beforeSign: () => void | Promise<void>;
  rotate(): void;
};

/** key-service as policy-service sees it: one signing key, real signatures. */
export function fakeKeys(): FakeKeys {
  let version = 1;
  let pair = ED25519.generate();
  const keyId = () => `policy-bundle/${version}`;
  const here = () => {
    if (keys.away) throw unavailable('key-service is not reachable.');
  };
  const keys: FakeKeys = {
    away: false,
    signatures: 0,
    beforeSign: () => undefined,
    rotate() {
      version += 1;
      pair = ED25519.generate();
    },
    async listPublicKeys() {
      here();
      return create(keyv1.ListPublicKeysResponseSchema, {
        keys: [
          {
            keyId: keyId(),
            purpose: 'policy-bundle',
            algorithm: 'Ed25519',
            publicKey: ED25519.rawPublicKey(pair.publicKey),
            state: keyv1.KeyState.ACTIVE,
          },
        ],
      });
    },
    async sign({ message }) {
      here();
      await keys.beforeSign();
      keys.signatures += 1;
      return create(keyv1.SignResponseSchema, {
        keyId: keyId(),
        signature: ED25519.sign(pair.privateKey, message ?? new Uint8Array()),
      });
    },
  };
  return keys;
}

const silent = { info: () => undefined, warn: () => undefined };

export type Bench = {
  readonly keys: FakeKeys;
  readonly store: PolicyStore;
  readonly recorded: LoggedChange[];
  readonly announced: bigint[];
  readonly publisher: Publisher;
  readonly write: WritePorts;
};

/** The use cases around a store, with everything outside faked. Another call with the same store is a restart. */
export async function bench(
  options: {
    readonly store?: PolicyStore;
    readonly keys?: FakeKeys;
    readonly initial?: readonly Binding[];
    readonly forceTimeout?: Sleep;
    readonly overrides?: Partial<PublisherPorts>;
  } = {},
): Promise<Bench> {
  const module = await readPolicyModule();
  const keys = options.keys ?? fakeKeys();
  const store = options.store ?? memoryStore(module.roles);
  const recorded: LoggedChange[] = [];
  const announced: bigint[] = [];
  const now = () => Date.UTC(2026, 0, 1);
  const publisher = createPublisher({
    reader: store.policy,
    changes: store.changes,
    publications: store.publications,
    bundles: signedBundles({
      keys,
      wasm: module.wasm,
      tenant: 'default',
      pinning: 'first-use',
      monotonicMs: () => 0,
    }),
    record: async (change) => void recorded.push(change),
    announce: async (revision) => void announced.push(revision),
    now,
    sleep: untilAborted,
    log: silent,
    ...options.overrides,
  });
  const initial = options.initial ?? [binding('user:admin', 'admin')];
  const by = { actor: { kind: 'service' }, atMs: now() } as const;
  await store.policy.update((state) => planStart(state, module.digest, initial), by);
  await publisher.start();
  const write: WritePorts = {
    writer: store.policy,
    publisher,
    checkRecorder: async () => undefined,
    now,
    sleep: options.forceTimeout ?? untilAborted,
    forceWaitMs: 1,
  };
  return { keys, store, recorded, announced, publisher, write };
}
