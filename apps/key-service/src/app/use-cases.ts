/** The use cases as their callers see them, and their wiring: each gets the ports it uses and no others. */
import type { TellEvents } from '@sallyport/service/lifecycle';
import { activeKeys } from './active-keys.ts';
import { createSessionKey, type NewSessionKey, type SignedBinding } from './create-session-key.ts';
import { generateDataKey, type NewDataKey } from './data-keys.ts';
import { decrypt, type SealedItem } from './decrypt.ts';
import { encrypt, type PlainItem } from './encrypt.ts';
import { keyMaterial } from './key-material.ts';
import {
  describe,
  listKeys,
  listPublicKeys,
  type DescribedKey,
  type DescribedVersion,
  type PublicKey,
} from './list-keys.ts';
import type {
  CheckRecorder,
  DataKeyStore,
  KeyReader,
  KeyWriter,
  Now,
  Random,
  RootKey,
  SessionKeyStore,
  VerifyBinding,
} from './ports.ts';
import { rotateKey } from './rotate-key.ts';
import { destroySessionKeys, renewLeases, sweepSessionKeys } from './session-keys.ts';
import { sign, type Signature } from './sign.ts';
import { createSigningKeys } from './start-keys.ts';
import type { UseCounter } from './use-counter.ts';
import type { Actor } from '../domain/key-event.ts';
import type { KeyRef } from '../domain/key.ts';
import type { Lease } from '../domain/session-key.ts';

/** `caller` is a service's name throughout. All throw `SallyportError`; see each use case. */
export interface KeyUseCases {
  encrypt(caller: string, key: string, items: readonly PlainItem[]): Promise<readonly Uint8Array[]>;
  decrypt(caller: string, key: string, items: readonly SealedItem[]): Promise<readonly Uint8Array[]>;
  generateDataKey(caller: string, key: string, aad: Uint8Array): Promise<NewDataKey>;
  createSessionKey(caller: string, signed: SignedBinding): Promise<NewSessionKey>;
  renewLeases(sessionIds: readonly Uint8Array[]): Promise<readonly Lease[]>;
  destroySessionKeys(caller: string, sessionIds: readonly Uint8Array[]): Promise<number>;
  sign(caller: string, purpose: string, message: Uint8Array, algorithm?: string): Promise<Signature>;
  listPublicKeys(purpose: string): Promise<readonly PublicKey[]>;
  /** The newest number of the feed of changed keys. */
  lastNumber(): Promise<bigint>;
  listKeys(): Promise<readonly DescribedKey[]>;
  rotateKey(ref: KeyRef, actor: Actor): Promise<DescribedVersion>;
}

/** What the service does without being asked. */
export interface KeyUpkeep {
  /** At start: signing keys that are missing. */
  createSigningKeys(): Promise<void>;
  /** Now and then: leases that ended. */
  sweepSessionKeys(): Promise<number>;
}

export interface KeyAppPorts {
  readonly root: RootKey;
  readonly keys: KeyReader & KeyWriter;
  readonly sessionKeys: SessionKeyStore;
  readonly dataKeys: DataKeyStore;
  readonly verifyBinding: VerifyBinding;
  readonly uses: UseCounter;
  readonly checkRecorder: CheckRecorder;
  readonly tell: TellEvents;
  readonly now: Now;
  readonly monotonic: () => number;
  readonly random: Random;
  readonly trustDomain: string;
  readonly leaseMs: number;
}

export function keyUseCases(ports: KeyAppPorts): KeyUseCases & KeyUpkeep {
  const { root, keys, sessionKeys, dataKeys, verifyBinding, uses, tell, now, random } = ports;
  const { checkRecorder, monotonic, trustDomain, leaseMs } = ports;
  const material = keyMaterial(root);
  const versions = { root, keys, checkRecorder, tell, uses, now, random };
  const active = activeKeys({ ...versions, monotonic });
  const sessions = { sessionKeys, tell, now, random };
  const newSessions = {
    ...sessions,
    checkRecorder,
    active,
    keys,
    material,
    verifyBinding,
    trustDomain,
    leaseMs,
  };
  const newDataKeys = { checkRecorder, active, material, dataKeys, tell, now, random };
  return {
    encrypt: (caller, key, items) => encrypt({ active, material, random }, caller, key, items),
    decrypt: (caller, key, items) => decrypt({ keys, dataKeys, material }, caller, key, items),
    generateDataKey: (caller, key, aad) => generateDataKey(newDataKeys, caller, key, aad),
    createSessionKey: (caller, signed) => createSessionKey(newSessions, caller, signed),
    renewLeases: (sessionIds) => renewLeases({ sessionKeys, now, leaseMs }, sessionIds),
    destroySessionKeys: (caller, sessionIds) => destroySessionKeys(sessions, caller, sessionIds),
    sign: (caller, purpose, message, algorithm) =>
      sign({ active, material }, caller, purpose, message, algorithm),
    listPublicKeys: (purpose) => listPublicKeys({ keys, material, now }, purpose),
    lastNumber: () => keys.lastNumber(),
    listKeys: () => listKeys({ keys, uses }),
    rotateKey: async (ref, actor) => describe(await rotateKey(versions, ref, actor, 'rotation'), uses),
    createSigningKeys: () => createSigningKeys(versions),
    sweepSessionKeys: () => sweepSessionKeys(sessions),
  };
}
