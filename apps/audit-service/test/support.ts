/** Fakes and builders shared by this service's tests. */
import { create } from '@bufbuild/protobuf';
import { apiActivityEvent, encodeEvent, frameEvent } from '@sallyport/audit-log';
import { ED25519, sha256, toHex, utf8 } from '@sallyport/crypto';
import { keyv1 } from '@sallyport/proto';
import { unavailable } from '@sallyport/service/errors';
import type { KeyCalls } from '../src/clients/keys.ts';
import type { Batch } from '../src/domain/batch.ts';

export const trustDomain = 'sallyport.test';
export const gateway = `spiffe://${trustDomain}/svc/gateway#00`;
export const auth = `spiffe://${trustDomain}/svc/auth-service#01`;

export type FakeKeys = KeyCalls & {
  away: boolean;
  signatures: number;
  /** Runs before each signature; what it throws is what the caller gets. */
  beforeSign: () => void | Promise<void>;
  rotate(): void;
};

/** key-service as audit-service sees it: real keys, real signatures. */
export function fakeKeys(): FakeKeys {
  const pairs = [ED25519.generate()];
  const keyId = (version: number) => `audit-checkpoint/${version}`;
  const here = () => {
    if (keys.away) throw unavailable('key-service is not reachable.');
  };
  const keys: FakeKeys = {
    away: false,
    signatures: 0,
    beforeSign: () => undefined,
    rotate: () => void pairs.push(ED25519.generate()),
    async listPublicKeys() {
      here();
      return create(keyv1.ListPublicKeysResponseSchema, {
        keys: pairs.map((pair, i) => ({
          keyId: keyId(i),
          purpose: 'audit-checkpoint',
          algorithm: 'Ed25519',
          publicKey: ED25519.rawPublicKey(pair.publicKey),
          state: i === pairs.length - 1 ? keyv1.KeyState.ACTIVE : keyv1.KeyState.DEACTIVATED,
        })),
      });
    },
    async sign({ message = new Uint8Array() }) {
      here();
      await keys.beforeSign();
      here();
      keys.signatures += 1;
      const pair = pairs.at(-1);
      if (pair === undefined) throw new Error('no key');
      return create(keyv1.SignResponseSchema, {
        keyId: keyId(pairs.length - 1),
        signature: ED25519.sign(pair.privateKey, message),
      });
    },
  };
  return keys;
}

const context = (n: number) => ({
  id: `event-${n}`,
  timeMs: 1_700_000_000_000 + n,
  source: `spiffe://${trustDomain}/svc/gateway`,
  tenant: 'default',
});

export const callEvent = (n: number, principal = 'user:alice') =>
  apiActivityEvent(context(n), {
    activity: 'read',
    actor: { kind: 'principal', id: principal },
    operation: 'policy.v1.PolicyService/ListRoles',
    service: 'policy-service',
    action: 'policy.read',
    outcome: 'success',
    reason: 'ok',
    peer: { ip: '127.0.0.1' },
  });

export const callBody = (n: number, principal?: string): Uint8Array => encodeEvent(callEvent(n, principal));

const hex = (n: number): string => n.toString(16).padStart(32, '0');

const frame = {
  principal: 'user:alice',
  sessionId: 'aa'.repeat(16),
  peer: { ip: '127.0.0.1' },
};

/** The decision of a frame of messages numbered from `first` on. */
export const decisionEvent = (
  n: number,
  first: number,
  count: number,
  destination = 'echo',
  decision: 'allow' | 'deny' = 'allow',
) =>
  frameEvent(context(n), {
    ...frame,
    phase: 'decision',
    messages: Array.from({ length: count }, (_, i) => ({
      seq: BigInt(first + i),
      correlation: hex(first + i),
      action: 'message.send',
      destination,
      decision,
      reason: decision === 'allow' ? 'allowed' : 'duplicate',
      policyRevision: '7',
      requestDigest: 'ab'.repeat(32),
    })),
  });

export const outcomeEvent = (
  n: number,
  first: number,
  count: number,
  outcome: 'success' | 'failure' | 'unknown' = 'success',
  destination = 'echo',
) =>
  frameEvent(context(n), {
    ...frame,
    phase: 'outcome',
    messages: Array.from({ length: count }, (_, i) => ({
      seq: BigInt(first + i),
      correlation: hex(first + i),
      destination,
      action: 'message.send',
      outcome,
      status: '200',
      durationMs: 1,
    })),
  });

/** A call behind the Model Context Protocol door: its decision and its outcome, each an event. */
export const operationBodies = (
  n: number,
  operation: { readonly target: string; readonly argumentsDigest: string },
): Uint8Array[] => {
  const message = {
    seq: 1n,
    correlation: toHex(sha256(utf8(operation.target))).slice(0, 32),
    destination: 'mcp/files',
    action: 'context.tools.call',
    operation,
  };
  const allowed = {
    decision: 'allow',
    reason: 'role_grants',
    policyRevision: '7',
    requestDigest: 'ab'.repeat(32),
  } as const;
  const done = { outcome: 'success', status: '200', durationMs: 1 } as const;
  return [
    encodeEvent(
      frameEvent(context(n), { ...frame, phase: 'decision', messages: [{ ...message, ...allowed }] }),
    ),
    encodeEvent(
      frameEvent(context(n + 1), { ...frame, phase: 'outcome', messages: [{ ...message, ...done }] }),
    ),
  ];
};

export const batchOf = (
  producer: string,
  firstSeq: bigint,
  bodies: readonly Uint8Array[],
  floor = firstSeq,
): Batch => ({ producer, firstSeq, lastSeq: firstSeq + BigInt(bodies.length) - 1n, floor, bodies });
