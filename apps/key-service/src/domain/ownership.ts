/**
 * Whose keys are whose. A service uses its own keys and nobody else's: the method's caller list says who may call
 * Encrypt, this table says under which key.
 */
import type { KeyKind } from './key.ts';
import { signingKeyOf, type Owner } from './signing.ts';

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
  if (kind === 'signing') return signingKeyOf(name)?.owner;
  const [area = ''] = name.split('/', 1);
  const owners: Readonly<Record<string, Owner>> = DOMAIN_OWNERS;
  return Object.hasOwn(owners, area) ? owners[area] : undefined;
}
