/**
 * Keys that live in versions: what one is, and how it is named.
 *
 * A name never says how a key is used by itself; its kind does. Domain keys carry a slash (`auth/psk`), signing keys
 * do not (`session-binding`), so one name is never both.
 */
import type { KeyState } from './lifecycle.ts';

export type KeyKind = 'domain' | 'signing';

/** Lower-case letters, digits, dashes; at most 63 characters. */
export type TenantId = string & { readonly brand: 'TenantId' };
/** Of a domain key, `<area>/<use>`; of a signing key, its purpose. */
export type KeyName = string & { readonly brand: 'KeyName' };
/** 16 random bytes in hex; names one version of one key, for ever. */
export type KeyId = string & { readonly brand: 'KeyId' };

/** A key, whichever version is in use. */
export interface KeyRef {
  readonly tenant: TenantId;
  readonly kind: KeyKind;
  readonly name: KeyName;
}

/** Everything that makes one version itself; sealed into its wrapping. */
export interface KeyIdentity extends KeyRef {
  /** Counts from 1. */
  readonly version: number;
  readonly keyId: KeyId;
}

export interface KeyVersion extends KeyIdentity {
  readonly state: KeyState;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly deactivatedAt: number | undefined;
  /** Upper bound of the seals or signatures made with it, over all processes. */
  readonly usesReserved: bigint;
  /** The material under the root key; `undefined` once destroyed. */
  readonly wrapped: Uint8Array | undefined;
}

const TENANT = /^[a-z0-9](?:[a-z0-9-]{0,62})$/u;
const PART = '[a-z][a-z0-9-]{0,31}';
const DOMAIN_KEY = new RegExp(`^${PART}(?:/${PART}){1,3}$`, 'u');
const SIGNING_KEY = new RegExp(`^${PART}$`, 'u');
const KEY_ID = /^[0-9a-f]{32}$/u;

/** Owns the keys that serve the whole deployment, such as those that sign. Not a name a tenant can have. */
export const SYSTEM_TENANT = parseTenantId('system') as TenantId;
/** The one tenant until there are more. */
export const DEFAULT_TENANT = parseTenantId('default') as TenantId;

/** The tenant, or undefined for anything that is no tenant id. */
export function parseTenantId(text: string): TenantId | undefined {
  return TENANT.test(text) ? (text as TenantId) : undefined;
}

/** A key id as it travels, or undefined. */
export function parseKeyId(text: string): KeyId | undefined {
  return KEY_ID.test(text) ? (text as KeyId) : undefined;
}

/** The domain key `name` of a tenant, or undefined when the name is malformed. */
export function domainKey(tenant: TenantId, name: string): KeyRef | undefined {
  return DOMAIN_KEY.test(name) ? { tenant, kind: 'domain', name: name as KeyName } : undefined;
}

/** The deployment's signing key for a purpose, or undefined when the purpose is malformed. */
export function signingKey(purpose: string): KeyRef | undefined {
  return SIGNING_KEY.test(purpose)
    ? { tenant: SYSTEM_TENANT, kind: 'signing', name: purpose as KeyName }
    : undefined;
}

/** One text per key, for maps. No part can hold a space. */
export function refText(ref: KeyRef): string {
  return `${ref.tenant} ${ref.kind} ${ref.name}`;
}
