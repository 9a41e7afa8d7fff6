/** Builders and fakes shared by this app's tests. */
import { ED25519, randomBytes, secretKey, signatureInput } from '@sallyport/crypto';
import { SallyportError, type Reason } from '@sallyport/service/errors';
import { manualClock, type ManualClock } from '@sallyport/service/clock';
import { tellEvents } from '@sallyport/service/lifecycle';
import type { RootKey, VerifyBinding } from '../src/app/ports.ts';
import { keyUseCases, type KeyUpkeep, type KeyUseCases } from '../src/app/use-cases.ts';
import { useCounter, type UseCounter, type UseCounterOptions } from '../src/app/use-counter.ts';
import type { KeyEvent } from '../src/domain/key-event.ts';
import { DEFAULT_TENANT, domainKey, parseTenantId, signingKey, type KeyRef } from '../src/domain/key.ts';
import type { SessionClaims } from '../src/domain/session-key.ts';
import { softwareRootKey } from '../src/root/software.ts';
import { memoryStore } from '../src/store/memory.ts';
import type { KeyStore } from '../src/store/store.ts';

export const HOUR = 3_600_000;
export const TRUST_DOMAIN = 'sallyport.local';

export function memoryRootKey(): RootKey {
  return softwareRootKey(secretKey(randomBytes(32)));
}

export function keyRef(name: string): KeyRef {
  const ref = signingKey(name) ?? domainKey(DEFAULT_TENANT, name);
  if (ref === undefined) throw new Error(`not a key name: ${name}`);
  return ref;
}

export interface TestApp {
  readonly keys: KeyUseCases & KeyUpkeep;
  readonly store: KeyStore;
  readonly clock: ManualClock;
  readonly uses: UseCounter;
  /** What the audit spool took. */
  readonly recorded: readonly KeyEvent[];
  /** What the bus took. */
  readonly announced: readonly KeyEvent[];
}

export interface TestAppOptions extends UseCounterOptions {
  readonly store?: KeyStore;
  readonly root?: RootKey;
  readonly clock?: ManualClock;
  /** Rejects to play a spool that takes nothing. */
  readonly record?: (event: KeyEvent) => Promise<void>;
  /** Rejects to play a spool that is full: only what is done already is taken. */
  readonly checkRecorder?: () => Promise<void>;
}

/** The use cases over memory, as `compose` wires them. */
export function testApp(options: TestAppOptions = {}): TestApp {
  const { store = memoryStore(), root = memoryRootKey(), clock = manualClock(), record } = options;
  const { checkRecorder = async () => undefined } = options;
  const recorded: KeyEvent[] = [];
  const announced: KeyEvent[] = [];
  const uses = useCounter(store.keys, options);
  const tell = tellEvents({
    outbox: store.outbox,
    record: async (event) => {
      await record?.(event);
      recorded.push(event);
    },
    announce: async (event) => void announced.push(event),
  });
  const keys = keyUseCases({
    root,
    ...store,
    verifyBinding: verifyTestBinding,
    uses,
    tell,
    checkRecorder,
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    random: randomBytes,
    trustDomain: TRUST_DOMAIN,
    leaseMs: HOUR,
  });
  return { keys, store, clock, uses, recorded, announced };
}

/** The reason an operation was refused for. Fails when it was not, or for something unexpected. */
export async function reasonOf(operation: Promise<unknown>): Promise<Reason> {
  try {
    await operation;
  } catch (error) {
    if (error instanceof SallyportError) return error.reason;
    throw error;
  }
  throw new Error('the operation was not refused');
}

const LABEL = 'session binding';

export interface TestBinding {
  readonly sessionId: Uint8Array;
  readonly tenant: string;
  readonly trustDomain: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

/** A binding in a layout of the tests' own: what the channel's looks like is none of the use cases' business. */
export function encodeTestBinding(binding: TestBinding): Uint8Array {
  return new TextEncoder().encode(
    JSON.stringify({ ...binding, sessionId: Buffer.from(binding.sessionId).toString('hex') }),
  );
}

/** The bytes to sign for a binding. */
export function testBindingInput(binding: Uint8Array): Uint8Array {
  return signatureInput(LABEL, binding);
}

const verifyTestBinding: VerifyBinding = (bytes, signature, publicKey): SessionClaims | undefined => {
  if (!ED25519.verify(publicKey, testBindingInput(bytes), signature)) return undefined;
  const parsed = JSON.parse(new TextDecoder().decode(bytes)) as Omit<TestBinding, 'sessionId'> & {
    readonly sessionId: string;
  };
  const tenant = parseTenantId(parsed.tenant);
  if (tenant === undefined) return undefined;
  return { ...parsed, tenant, sessionId: Uint8Array.from(Buffer.from(parsed.sessionId, 'hex')) };
};
