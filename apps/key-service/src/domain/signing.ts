/** The signing keys of a deployment: what each is for, whose it is, and by which algorithm it signs. */
import { ECDSA_P256, ED25519, type SignatureRow } from '@sallyport/crypto';

/** A service as its certificate names it. */
export type Owner = 'gateway' | 'auth-service' | 'policy-service' | 'audit-service' | 'key-service';

const HOUR_MS = 60 * 60 * 1000;

interface SigningKey {
  readonly purpose: string;
  readonly owner: Owner;
  readonly row: SignatureRow;
  /** How long the directory shows a version that gave way. Absent: as long as it may verify at all. */
  readonly verifiesForMs?: number;
}

/** By name. A name has one algorithm for ever: no version can be taken for a key of another. */
const SIGNING_KEYS = {
  'session-binding': { purpose: 'session-binding', owner: 'auth-service', row: ED25519 },
  'policy-bundle': { purpose: 'policy-bundle', owner: 'policy-service', row: ED25519 },
  'audit-checkpoint': { purpose: 'audit-checkpoint', owner: 'audit-service', row: ED25519 },
  // Access tokens live for 10 minutes: an hour is that, everybody's clocks, and what replicas and followers are behind.
  'access-token-eddsa': {
    purpose: 'access-token',
    owner: 'auth-service',
    row: ED25519,
    verifiesForMs: HOUR_MS,
  },
  'access-token-es256': {
    purpose: 'access-token',
    owner: 'auth-service',
    row: ECDSA_P256,
    verifiesForMs: HOUR_MS,
  },
} as const satisfies Record<string, SigningKey>;

/** Every signing key of a deployment: made at the first start, so that the directory is complete from then on. */
export const SIGNING_KEY_NAMES = Object.keys(SIGNING_KEYS);

/** The key of that name, or undefined. */
export function signingKeyOf(name: string): SigningKey | undefined {
  const keys: Readonly<Record<string, SigningKey>> = SIGNING_KEYS;
  return Object.hasOwn(keys, name) ? keys[name] : undefined;
}

/** The name of the key that signs for a purpose by an algorithm; empty = Ed25519. Undefined when there is none. */
export function signingKeyName(purpose: string, algorithm: string): string | undefined {
  const wanted: string = algorithm === '' ? ED25519.name : algorithm;
  return SIGNING_KEY_NAMES.find((name) => {
    const key = signingKeyOf(name);
    return key?.purpose === purpose && key.row.name === wanted;
  });
}
