/** Which key a caller may use: its own, and it must be of the right kind. */
import { callerNotAllowed, invalidArgument } from '@sallyport/service/errors';
import { DEFAULT_TENANT, domainKey, signingKey, type KeyRef } from '../domain/key.ts';
import { ownerOf } from '../domain/ownership.ts';
import { signingKeyName } from '../domain/signing.ts';

/** The domain key `name`, used by the service `caller`. Throws `invalid_argument` or `caller_not_allowed`. */
export function ownDomainKey(name: string, caller: string): KeyRef {
  const ref = domainKey(DEFAULT_TENANT, name);
  if (ref === undefined) {
    throw invalidArgument('a key name has two to four parts of a-z, 0-9 and -, such as auth/psk', {
      field: 'key',
    });
  }
  return owned(ref, caller, 'key');
}

/** The key that signs for a purpose by an algorithm, used by the service `caller`. Throws as `ownDomainKey`. */
export function ownSigningKey(purpose: string, algorithm: string, caller: string): KeyRef {
  if (signingKeyName(purpose, '') === undefined)
    throw invalidArgument('no key signs for that purpose', { field: 'purpose' });
  const name = signingKeyName(purpose, algorithm);
  const ref = name === undefined ? undefined : signingKey(name);
  if (ref === undefined)
    throw invalidArgument('no key signs for that purpose by that algorithm', { field: 'algorithm' });
  return owned(ref, caller, 'purpose');
}

function owned(ref: KeyRef, caller: string, field: string): KeyRef {
  if (ownerOf(ref.kind, ref.name) !== caller) {
    throw callerNotAllowed(`${ref.name} is not a key of ${caller}`, { field });
  }
  return ref;
}
