/** Between the contract's messages and this service's types. Nothing outside this folder knows the contract. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { keyv1 } from '@sallyport/proto';
import { callerNotAllowed, invalidArgument } from '@sallyport/service/errors';
import type { CallContext } from '@sallyport/service/grpc';
import type { DescribedKey, DescribedVersion, PublicKey } from '../app/list-keys.ts';
import type { Actor } from '../domain/key-event.ts';
import { DEFAULT_TENANT, domainKey, signingKey, type KeyKind, type KeyRef } from '../domain/key.ts';
import type { KeyState } from '../domain/lifecycle.ts';
import type { Lease } from '../domain/session-key.ts';

const STATE = {
  'pre-active': keyv1.KeyState.PRE_ACTIVE,
  active: keyv1.KeyState.ACTIVE,
  suspended: keyv1.KeyState.SUSPENDED,
  deactivated: keyv1.KeyState.DEACTIVATED,
  compromised: keyv1.KeyState.COMPROMISED,
  destroyed: keyv1.KeyState.DESTROYED,
} as const satisfies Record<KeyState, keyv1.KeyState>;

const KIND = {
  domain: keyv1.KeyKind.DOMAIN,
  signing: keyv1.KeyKind.SIGNING,
} as const satisfies Record<KeyKind, keyv1.KeyKind>;

/** The calling service's name. The edge lets no principal this far; should it, the call ends here. */
export function serviceName({ caller }: CallContext): string {
  if (caller.kind !== 'service') throw callerNotAllowed('only services may use keys');
  return caller.name;
}

export function actorOf({ caller }: CallContext): Actor {
  return caller.kind === 'service'
    ? { kind: 'service', name: caller.name }
    : { kind: 'principal', id: caller.id };
}

/** The key a person means by its name. Throws `invalid_argument`. */
export function refOf(name: string): KeyRef {
  const ref = signingKey(name) ?? domainKey(DEFAULT_TENANT, name);
  if (ref === undefined)
    throw invalidArgument('not a key name; `sallyport keys list` shows them', { field: 'name' });
  return ref;
}

export function toKeyVersion(version: DescribedVersion): MessageInitShape<typeof keyv1.KeyVersionSchema> {
  const { deactivatedAt } = version;
  return {
    version: version.version,
    keyId: version.keyId,
    state: STATE[version.state],
    createdAt: timestampFromMs(version.createdAt),
    ...(deactivatedAt === undefined ? {} : { deactivatedAt: timestampFromMs(deactivatedAt) }),
    uses: version.uses,
  };
}

export function toKey({ ref, versions }: DescribedKey): MessageInitShape<typeof keyv1.KeySchema> {
  return { name: ref.name, kind: KIND[ref.kind], tenant: ref.tenant, versions: versions.map(toKeyVersion) };
}

export function toPublicKey(key: PublicKey): MessageInitShape<typeof keyv1.PublicKeySchema> {
  const { deactivatedAt, ...rest } = key;
  return {
    ...rest,
    state: STATE[key.state],
    createdAt: timestampFromMs(key.createdAt),
    ...(deactivatedAt === undefined ? {} : { deactivatedAt: timestampFromMs(deactivatedAt) }),
  };
}

export function toLease(lease: Lease): MessageInitShape<typeof keyv1.LeaseSchema> {
  return { sessionId: lease.sessionId, notAfter: timestampFromMs(lease.notAfter) };
}
