/**
 * Whose keys are whose. A service uses its own keys and nobody else's: the method's caller list says who may call
 * Encrypt, this table says under which key.
 */
import type { KeyKind } from './key.ts';

/** A service as its certificate names it. */
export type Owner = 'gateway' | 'auth-service' | 'policy-service' | 'audit-service' | 'key-service';

const SIGNING_OWNERS = {
  'session-binding': 'auth-service',
  'policy-bundle': 'policy-service',
  'audit-checkpoint': 'audit-service',
} as const satisfies Record<string, Owner>;

export type SigningPurpose = keyof typeof SIGNING_OWNERS;

/** Every signing key of a deployment: made at the first start, so that the directory is complete from then on. */
export const SIGNING_PURPOSES = Object.keys(SIGNING_OWNERS) as readonly SigningPurpose[];

/** First part of a domain key's name → its owner. */
const DOMAIN_OWNERS = {
  gateway: 'gateway',
  auth: 'auth-service',
  policy: 'policy-service',
  audit: 'audit-service',
  // Session keys are wrapped here and nowhere else: no caller seals under them.
  channel: 'key-service',
} as const satisfies Record<string, Owner>;

/** The parent of every session key of a tenant. */
export const SESSION_DOMAIN_KEY = 'channel/session';

/** The owner of a key, or undefined when nobody may use that name. */
export function ownerOf(kind: KeyKind, name: string): Owner | undefined {
  const [area = ''] = name.split('/', 1);
  const owners: Readonly<Record<string, Owner>> = kind === 'signing' ? SIGNING_OWNERS : DOMAIN_OWNERS;
  return Object.hasOwn(owners, area) ? owners[area] : undefined;
}
