/**
 * The control key of a channel session, against a binding that auth-service signed: without it a gateway gets nothing
 * (PROTOCOL.md section 1, "SK", and section 2, "Keys"). The same binding gives the same key again while its lease lasts,
 * because the gateway that asked first may be gone (PROTOCOL.md "One attachment").
 */
import { aead, sha256, toHex } from '@sallyport/crypto';
import { SallyportError, alreadyExists } from '@sallyport/service/errors';
import type { TellEvents } from '@sallyport/service/lifecycle';
import { parseCiphertext } from '../domain/ciphertext.ts';
import { domainKey, parseKeyId, signingKey, type KeyVersion } from '../domain/key.ts';
import { permits } from '../domain/lifecycle.ts';
import { CLOCK_SKEW_MS, SESSION_ID_BYTES, SYMMETRIC_KEY_BYTES } from '../domain/limits.ts';
import { SESSION_DOMAIN_KEY } from '../domain/ownership.ts';
import { isRenewable, leaseEnd, type LiveSessionKey, type SessionClaims } from '../domain/session-key.ts';
import { sessionKeyContext } from '../domain/wrap-context.ts';
import type { ActiveKeys } from './active-keys.ts';
import type { CheckRecorder, KeyReader, Now, SessionKeyStore, VerifyBinding } from './ports.ts';
import { sessionKeyEvent } from './session-key-event.ts';
import { wrapChild, type WrapChildPorts } from './wrap-child.ts';

export interface CreateSessionKeyPorts extends WrapChildPorts {
  readonly active: ActiveKeys;
  readonly keys: Pick<KeyReader, 'byId'>;
  readonly sessionKeys: Pick<SessionKeyStore, 'find' | 'insert' | 'renew'>;
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
 * good one that is over; `already_exists` when its session had its key by another binding, when that key was destroyed
 * or its lease has ended.
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
  const bindingDigest = sha256(signed.binding);
  const known = await ports.sessionKeys.find(sessionId);
  if (known !== undefined) return again(ports, claims, bindingDigest, now);
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
          sessionKeyContext(parent, header, sessionId, bindingDigest),
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
      sessionKey.fill(0);
      return await again(ports, claims, bindingDigest, now);
    }
    await ports.tell();
  } catch (error) {
    sessionKey.fill(0); // nobody gets it
    throw error;
  }
  return { sessionKey, leaseNotAfter };
}

/** The key that the session has, for the binding that it was made for. */
async function again(
  ports: CreateSessionKeyPorts,
  { sessionId, tenant }: SessionClaims,
  bindingDigest: Uint8Array,
  now: number,
): Promise<NewSessionKey> {
  const row = await ports.sessionKeys.find(sessionId);
  const isOurs = row?.kind === 'live' && row.tenant === tenant && isRenewable(row, now);
  const sessionKey = isOurs ? await unwrapped(ports, row, bindingDigest) : undefined;
  if (sessionKey === undefined) {
    throw alreadyExists(`session ${toHex(sessionId)} had its key already`, { field: 'binding' });
  }
  const [lease] = await ports.sessionKeys.renew([sessionId], now, ports.leaseMs);
  if (lease === undefined) {
    sessionKey.fill(0); // destroyed in between
    throw alreadyExists(`session ${toHex(sessionId)} had its key already`, { field: 'binding' });
  }
  return { sessionKey, leaseNotAfter: lease.notAfter };
}

/** Undefined when it was made for another binding: the binding is part of what it is sealed with. */
async function unwrapped(
  ports: CreateSessionKeyPorts,
  { parent: parentId, wrapped, sessionId }: LiveSessionKey,
  bindingDigest: Uint8Array,
): Promise<Uint8Array | undefined> {
  const parent = await ports.keys.byId(parentId);
  const item = parseCiphertext(wrapped);
  if (parent === undefined || item?.kind !== 'item') return undefined;
  const key = await ports.material.domain(parent, 'process');
  const context = sessionKeyContext(parent, item.header, sessionId, bindingDigest);
  return aead(item.aead).open({ key, iv: item.nonce, aad: context, sealed: item.sealed });
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
