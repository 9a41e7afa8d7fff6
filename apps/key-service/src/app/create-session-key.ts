/**
 * The control key of a channel session, against a binding that auth-service signed: without it a gateway gets nothing
 * (PROTOCOL.md section 1, "SK", and section 2, "Keys").
 */
import { toHex } from '@sallyport/crypto';
import { SallyportError, alreadyExists } from '@sallyport/service/errors';
import type { TellEvents } from '@sallyport/service/lifecycle';
import { domainKey, parseKeyId, signingKey, type KeyVersion } from '../domain/key.ts';
import { permits } from '../domain/lifecycle.ts';
import { CLOCK_SKEW_MS, SESSION_ID_BYTES, SYMMETRIC_KEY_BYTES } from '../domain/limits.ts';
import { SESSION_DOMAIN_KEY } from '../domain/ownership.ts';
import { leaseEnd, type SessionClaims } from '../domain/session-key.ts';
import { sessionKeyContext } from '../domain/wrap-context.ts';
import type { ActiveKeys } from './active-keys.ts';
import type { CheckRecorder, KeyReader, Now, SessionKeyStore, VerifyBinding } from './ports.ts';
import { sessionKeyEvent } from './session-key-event.ts';
import { wrapChild, type WrapChildPorts } from './wrap-child.ts';

export interface CreateSessionKeyPorts extends WrapChildPorts {
  readonly active: ActiveKeys;
  readonly keys: Pick<KeyReader, 'byId'>;
  readonly sessionKeys: Pick<SessionKeyStore, 'insert'>;
  readonly verifyBinding: VerifyBinding;
  readonly checkRecorder: CheckRecorder;
  readonly tell: TellEvents;
  readonly now: Now;
  /** Ours; a binding made for another is not accepted. */
  readonly trustDomain: string;
  readonly leaseMs: number;
}

export interface SignedBinding {
  readonly binding: Uint8Array;
  readonly signature: Uint8Array;
  readonly keyId: string;
}

export interface NewSessionKey {
  /** 32 bytes; the caller wipes them. */
  readonly sessionKey: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly leaseNotAfter: number;
}

/**
 * Throws `credential_invalid` for a binding that is not what it should be, whatever the cause; `session_expired` for a
 * good one that is over; `already_exists` when its session had a key before, or was destroyed before it got one.
 */
export async function createSessionKey(
  ports: CreateSessionKeyPorts,
  caller: string,
  signed: SignedBinding,
): Promise<NewSessionKey> {
  const claims = await verified(ports, signed);
  const now = ports.now();
  if (claims.notBefore > now + CLOCK_SKEW_MS) throw notAccepted();
  if (claims.notAfter < now) throw new SallyportError('session_expired', 'the session binding is over');
  const ref = domainKey(claims.tenant, SESSION_DOMAIN_KEY);
  if (ref === undefined) throw notAccepted();

  await ports.checkRecorder();

  const { sessionId } = claims;
  const parent = await ports.active.lend(ref, 1, { kind: 'service', name: caller });
  const sessionKey = ports.random(SYMMETRIC_KEY_BYTES);
  const leaseNotAfter = leaseEnd(now, ports.leaseMs, claims.notAfter);
  try {
    const inserted = await ports.sessionKeys.insert(
      {
        kind: 'live',
        sessionId,
        tenant: claims.tenant,
        parent: parent.keyId,
        wrapped: await wrapChild(ports, parent, sessionKey, (header) =>
          sessionKeyContext(parent, header, sessionId),
        ),
        createdAt: now,
        leaseNotAfter,
        notAfter: claims.notAfter,
      },
      sessionKeyEvent(
        ports.random,
        now,
        { kind: 'service', name: caller },
        'created',
        'requested',
      )(sessionId, claims.tenant),
    );
    if (!inserted) {
      throw alreadyExists(`session ${toHex(sessionId)} had its key already`, { field: 'binding' });
    }
    await ports.tell();
  } catch (error) {
    sessionKey.fill(0); // nobody gets it
    throw error;
  }
  return { sessionKey, leaseNotAfter };
}

async function verified(ports: CreateSessionKeyPorts, signed: SignedBinding): Promise<SessionClaims> {
  const key = await bindingKey(ports, signed.keyId);
  if (key === undefined) throw notAccepted();
  const { publicKey } = await ports.material.signing(key, 'process');
  const claims = ports.verifyBinding(signed.binding, signed.signature, publicKey);
  if (claims === undefined || claims.sessionId.length !== SESSION_ID_BYTES) throw notAccepted();
  if (claims.trustDomain !== ports.trustDomain) throw notAccepted();
  return claims;
}

/** A version of the session-binding key that may still verify, or undefined: no other key vouches for a session. */
async function bindingKey(ports: CreateSessionKeyPorts, keyId: string): Promise<KeyVersion | undefined> {
  const id = parseKeyId(keyId);
  const key = id && (await ports.keys.byId(id));
  const ref = signingKey('session-binding');
  if (key === undefined || key.kind !== 'signing' || key.name !== ref?.name) return undefined;
  return permits(key.state, 'process') ? key : undefined;
}

function notAccepted(): SallyportError {
  return new SallyportError('credential_invalid', 'the session binding is not accepted', {
    field: 'binding',
  });
}
