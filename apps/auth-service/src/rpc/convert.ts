/** Between the contract's messages and this service's types. Nothing outside this folder knows the contract. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { RawHandshake } from '@sallyport/channel';
import { toHex } from '@sallyport/crypto';
import type { authv1 } from '@sallyport/proto';
import { callerNotAllowed, invalidArgument } from '@sallyport/service/errors';
import type { CallContext, Resource } from '@sallyport/service/grpc';
import type { PskInfo } from '../app/list-psks.ts';
import type { RevocationTarget } from '../app/ports.ts';
import type { Actor } from '../domain/events.ts';
import { PSK_ID_BYTES, SESSION_ID_BYTES } from '../domain/limits.ts';
import type { Revocation, Session } from '../domain/session.ts';

/** The calling gateway's SPIFFE id. The edge lets nobody else this far; should it, the call ends here. */
export function gatewayId({ caller }: CallContext): string {
  if (caller.kind !== 'service' || caller.name !== 'gateway')
    throw callerNotAllowed('only gateways bring handshakes');
  return caller.spiffeId;
}

export function actorOf({ caller }: CallContext): Actor {
  return caller.kind === 'service'
    ? { kind: 'service', name: caller.name }
    : { kind: 'principal', id: caller.id };
}

/** The bytes as they are. Throws `invalid_argument` when there are none. */
export function rawOf(transcript: authv1.Transcript | undefined): RawHandshake {
  if (transcript === undefined) throw invalidArgument('the handshake is missing', { field: 'transcript' });
  const { clientHello, serverHello, channelBindingType, channelBinding, serverAuth, clientAuth } = transcript;
  return { clientHello, serverHello, channelBindingType, channelBinding, serverAuth, clientAuth };
}

export function targetOf({ target }: authv1.RevokeSessionsRequest): RevocationTarget | undefined {
  switch (target.case) {
    case 'sessionId':
      return { kind: 'session', sessionId: target.value };
    case 'principal':
      return { kind: 'principal', principal: target.value };
    case undefined:
      return undefined;
  }
}

/** What policy is asked about: whose sessions or keys; `all` for everybody's (a name with a star is never allowed). */
export function resource(kind: 'session' | 'psk' | 'password' | 'token', principal: string): Resource {
  return { kind, name: principal === '' ? 'all' : principal };
}

const ID_BYTES = { session: SESSION_ID_BYTES, psk: PSK_ID_BYTES } as const;

/**
 * A single session or key is named by its id: whose it is, only the database knows. Throws `invalid_argument` for what
 * has not the length of one: somebody may paste the key itself here, and a resource's name is recorded.
 */
export function resourceById(kind: keyof typeof ID_BYTES, id: Uint8Array): Resource {
  if (id.length !== ID_BYTES[kind])
    throw invalidArgument(`the id of a ${kind} has ${ID_BYTES[kind]} bytes`, {
      field: kind === 'psk' ? 'psk_id' : 'session_id',
    });
  return { kind, name: toHex(id) };
}

export function resourceOfTarget(request: authv1.RevokeSessionsRequest): Resource {
  const target = targetOf(request);
  return target?.kind === 'session'
    ? resourceById('session', target.sessionId)
    : resource('session', target?.principal ?? '');
}

export function toSession(session: Session): MessageInitShape<typeof authv1.SessionSchema> {
  const { sessionId, tenant, principal, method, gateway, sourceAddress, ended, kind, clientId } = session;
  return {
    sessionId,
    tenant,
    principal,
    method,
    gateway,
    sourceAddress,
    kind,
    clientId,
    ...(session.parentSessionId === undefined ? {} : { parentSessionId: session.parentSessionId }),
    openedAt: timestampFromMs(session.openedAt),
    notAfter: timestampFromMs(session.notAfter),
    state: ended?.how ?? 'open',
    ...(ended === undefined ? {} : { endedAt: timestampFromMs(ended.at), endCause: ended.cause }),
  };
}

export function toPsk(psk: PskInfo): MessageInitShape<typeof authv1.PskSchema> {
  const { pskId, principal, label, createdAt, notAfter, revokedAt } = psk;
  return {
    pskId,
    principal,
    label,
    createdAt: timestampFromMs(createdAt),
    notAfter: timestampFromMs(notAfter),
    ...(revokedAt === undefined ? {} : { revokedAt: timestampFromMs(revokedAt) }),
  };
}

export function toRevocation(revocation: Revocation): MessageInitShape<typeof authv1.RevocationSchema> {
  const { number, sessionId, cause } = revocation;
  return { number, sessionId, cause };
}
