/** The use cases, each bound to the ports that it uses. */
import type { RawHandshake } from '@sallyport/channel';
import { tellEvents } from '@sallyport/service/lifecycle';
import type { Actor } from '../domain/events.ts';
import { MAX_REVOCATIONS } from '../domain/limits.ts';
import type { Revocation } from '../domain/session.ts';
import {
  authenticateHandshake,
  type Authenticated,
  type HandshakeToJudge,
} from './authenticate-handshake.ts';
import { closeSession } from './close-session.ts';
import { createPsk, type NewPsk, type PskWanted } from './create-psk.ts';
import { decoySecret } from './decoy-secret.ts';
import { failures, type FailuresPorts } from './failures.ts';
import { listPsks, type PskInfo } from './list-psks.ts';
import { listSessions, type SessionPage, type SessionsWanted } from './list-sessions.ts';
import { openProofs } from './open-proofs.ts';
import { payRevocations, type PayRevocationsPorts } from './pay-revocations.ts';
import type {
  CheckRecorder,
  DecoyStore,
  HashPassword,
  Keys,
  Now,
  Outbox,
  PasswordSeal,
  PasswordStore,
  PskStore,
  Random,
  RecordEvent,
  RevocationStore,
  RevocationTarget,
  SessionReader,
  SessionWriter,
  TokenKeys,
  TokenSessionStore,
  VerifyChain,
} from './ports.ts';
import { provePsk } from './prove-psk.ts';
import { pskKeys } from './psk-keys.ts';
import { revokePsk } from './revoke-psk.ts';
import { revokeSessions } from './revoke-sessions.ts';
import { tokenUseCases, type PasswordUseCases, type TokenUseCases } from './token-use-cases.ts';
import { sweepSessions } from './sweep-sessions.ts';
import { UNKNOWN_SOURCE } from '../domain/source.ts';

/** All throw `SallyportError`; see each use case. */
export interface AuthUseCases extends TokenUseCases, PasswordUseCases {
  provePsk(gateway: string, raw: RawHandshake): Promise<Uint8Array>;
  authenticateHandshake(handshake: HandshakeToJudge): Promise<Authenticated>;
  closeSession(actor: Actor, sessionId: Uint8Array, cause: string): Promise<void>;
  listSessions(wanted: SessionsWanted): Promise<SessionPage>;
  revokeSessions(
    actor: Actor,
    target: RevocationTarget | undefined,
    cause: string,
  ): Promise<readonly Uint8Array[]>;
  listRevocations(
    after: bigint,
  ): Promise<{ readonly revocations: readonly Revocation[]; readonly last: bigint }>;
  createPsk(actor: Actor, wanted: PskWanted): Promise<NewPsk>;
  listPsks(principal: string): Promise<readonly PskInfo[]>;
  revokePsk(actor: Actor, pskId: Uint8Array): Promise<void>;
}

/** What the service does without being asked. */
export interface AuthUpkeep {
  /** Told and paid: what an earlier process committed and did not live to do. */
  tell(): Promise<void>;
  payRevocations(): Promise<void>;
  sweepSessions(): Promise<number>;
  sweepProofs(): void;
  flushFailures(): Promise<void>;
  /** Resolves once proofs can be given; rejects with `unavailable`. */
  prepareDecoys(): Promise<void>;
}

export interface AuthAppPorts {
  readonly sessions: SessionReader & SessionWriter;
  readonly feed: RevocationStore;
  readonly psks: PskStore;
  readonly decoys: DecoyStore;
  readonly outbox: Outbox;
  readonly keys: Keys;
  readonly verifyChain: VerifyChain;
  readonly record: RecordEvent;
  readonly recordFailures: FailuresPorts['record'];
  readonly onFailure: FailuresPorts['onFailure'];
  readonly checkRecorder: CheckRecorder;
  readonly announce: PayRevocationsPorts['announce'];
  readonly onOwedProblem: PayRevocationsPorts['onProblem'];
  readonly now: Now;
  readonly monotonic: () => number;
  readonly random: Random;
  readonly tenant: string;
  readonly trustDomain: string;
  readonly sessionLifetimeMs: number;
  readonly tokenSessions: TokenSessionStore;
  readonly passwords: PasswordStore;
  readonly tokenKeys: TokenKeys;
  readonly passwordSeal: PasswordSeal;
  readonly hashPassword: HashPassword;
  /** Issuer of access tokens and origin of what they are for; undefined: there are none. */
  readonly publicOrigin: string | undefined;
}

export function authUseCases(ports: AuthAppPorts): AuthUseCases & AuthUpkeep {
  const { feed, psks, sessions, now } = ports;
  const counted = failures({ record: ports.recordFailures, onFailure: ports.onFailure, now });
  const proofs = openProofs({
    monotonic: ports.monotonic,
    onAbandoned: () => counted.count(UNKNOWN_SOURCE, 'abandoned_after_proof'),
  });
  const tell = tellEvents({ outbox: ports.outbox, record: ports.record });
  const pay = payRevocations({
    feed,
    announce: ports.announce,
    keys: ports.keys,
    onProblem: ports.onOwedProblem,
  });
  const decoy = decoySecret(ports);
  const shared = {
    ...ports,
    tell,
    payRevocations: pay,
    proofs,
    failures: counted,
    pskKeys: pskKeys({ ...ports, decoySecret: decoy }),
  };
  return {
    ...tokenUseCases(shared),
    provePsk: (gateway, raw) => provePsk(shared, gateway, raw),
    authenticateHandshake: (handshake) => authenticateHandshake(shared, handshake),
    closeSession: (actor, sessionId, cause) => closeSession(shared, actor, sessionId, cause),
    listSessions: (wanted) => listSessions({ sessions, now }, wanted),
    revokeSessions: (actor, target, cause) => revokeSessions(shared, actor, target, cause),
    listRevocations: (after) => feed.since(after, MAX_REVOCATIONS),
    createPsk: (actor, wanted) => createPsk(shared, actor, wanted),
    listPsks: (principal) => listPsks(psks, principal),
    revokePsk: (actor, pskId) => revokePsk(shared, actor, pskId),
    tell,
    payRevocations: pay,
    sweepSessions: () => sweepSessions(shared),
    sweepProofs: () => proofs.sweep(),
    flushFailures: () => counted.flush(),
    prepareDecoys: async () => void (await decoy()),
  };
}
