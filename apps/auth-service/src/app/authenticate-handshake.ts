/**
 * From a handshake to a session: judged, bound, signed, stored, recorded, answered, in that order. Nobody is told of a
 * session that is not in the audit spool.
 */
import { bindingSignatureInput, encodeBinding, type RawHandshake } from '@sallyport/channel';
import { toHex } from '@sallyport/crypto';
import type { TellEvents } from '@sallyport/service/lifecycle';
import { SELF } from '../domain/events.ts';
import type { HandshakeCause } from '../domain/handshake-cause.ts';
import type { Session } from '../domain/session.ts';
import { parseSource } from '../domain/source.ts';
import type { Failures } from './failures.ts';
import { judgeHandshake, type JudgePorts, type Proved } from './judge-handshake.ts';
import type { CheckRecorder, Keys, Random, SessionReader, SessionWriter } from './ports.ts';
import { handshakeRefused } from './refuse.ts';
import { sessionEnded } from './session-events.ts';

export interface AuthenticatePorts extends JudgePorts {
  readonly keys: Pick<Keys, 'signBinding'>;
  readonly sessions: Pick<SessionReader, 'find'> & Pick<SessionWriter, 'open' | 'end'>;
  readonly failures: Pick<Failures, 'count'>;
  readonly checkRecorder: CheckRecorder;
  readonly tell: TellEvents;
  readonly random: Random;
  readonly tenant: string;
  readonly trustDomain: string;
  readonly sessionLifetimeMs: number;
}

export interface HandshakeToJudge {
  readonly raw: RawHandshake;
  /** SPIFFE id of the calling gateway. */
  readonly gateway: string;
  readonly sourceAddress: string;
}

export interface Authenticated {
  readonly binding: Uint8Array;
  readonly bindingSignature: Uint8Array;
  readonly bindingKeyId: string;
  /** 32 bytes with a pre-shared key, else empty. */
  readonly pskExport: Uint8Array;
}

/**
 * Throws `credential_invalid` for whatever is wrong with the handshake; `unavailable` when key-service or the database is
 * away, `spool_full`: both worth another try.
 */
export async function authenticateHandshake(
  ports: AuthenticatePorts,
  { raw, gateway, sourceAddress }: HandshakeToJudge,
): Promise<Authenticated> {
  const refuse = (cause: HandshakeCause) => {
    ports.failures.count(sourceAddress, cause);
    return handshakeRefused();
  };
  await ports.checkRecorder();
  const proved = await judgeHandshake(ports, gateway, raw);
  if (!proved.ok) throw refuse(proved.cause);
  const { view } = proved;
  // A look before the signature is asked for; the unique row below decides.
  if ((await ports.sessions.find(view.sid)) !== undefined) throw refuse('session_reused');

  const session = sessionOf(ports, proved, gateway, sourceAddress);
  const binding = bindingOf(ports, proved, session);
  const { keyId, signature } = await ports.keys.signBinding(bindingSignatureInput(binding));
  const opened = await ports.sessions.open(
    session,
    {
      kind: 'session_opened',
      id: toHex(ports.random(16)),
      timeMs: session.openedAt,
      tenant: session.tenant,
      actor: SELF,
      principal: session.principal,
      sessionId: toHex(session.sessionId),
      method: session.method,
      sourceAddress: session.sourceAddress,
    },
    session.method === 'psk' ? view.pskId : undefined,
  );
  if (opened !== 'opened') throw refuse(opened);
  await toldOrEnded(ports, session);
  return { binding, bindingSignature: signature, bindingKeyId: keyId, pskExport: proved.pskExport };
}

function sessionOf(
  ports: AuthenticatePorts,
  proved: Proved,
  gateway: string,
  sourceAddress: string,
): Session {
  const now = ports.now();
  return {
    sessionId: Uint8Array.from(proved.view.sid),
    tenant: ports.tenant,
    principal: proved.principal,
    method: proved.view.method,
    gateway,
    sourceAddress: parseSource(sourceAddress),
    openedAt: now,
    notAfter: Math.min(proved.notAfter, now + ports.sessionLifetimeMs),
    credentialDigest: proved.credentialDigest,
    ended: undefined,
    kind: 'channel',
    clientId: '',
    parentSessionId: undefined,
  };
}

function bindingOf(ports: AuthenticatePorts, { view }: Proved, session: Session): Uint8Array {
  return encodeBinding({
    sid: session.sessionId,
    transcriptHash: view.hashes.afterClientAuth,
    tenant: session.tenant,
    principal: session.principal,
    method: view.method,
    assurance: 1,
    signatureAlgorithm: view.suite.signature.id,
    clientPublicKey: view.clientAuth.publicKey,
    trustDomain: ports.trustDomain,
    notBeforeMs: session.openedAt,
    notAfterMs: session.notAfter,
    credentialDigest: session.credentialDigest,
  });
}

/** A session whose opening could not be recorded is over before anybody heard of it. */
async function toldOrEnded(ports: AuthenticatePorts, session: Session): Promise<void> {
  try {
    await ports.tell();
  } catch (error) {
    const ended = { how: 'closed', at: ports.now(), cause: 'not_recorded' } as const;
    await ports.sessions.end(session.sessionId, ended, sessionEnded(ports.random, SELF, ended));
    throw error;
  }
}
