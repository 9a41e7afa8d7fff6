/**
 * A session taken on again (docs/protocol.md sections 4.6 to 4.8), here or at another gateway than before: its record is
 * found and opened, the client proves RS and its signing key, key-service gives the session key for the same binding,
 * policy is asked again. Nothing changes for the session until the client's first frame in the new epoch; then exactly one
 * who tried attaches it, by compare-and-set.
 */
import type { KeyObject } from 'node:crypto';
import {
  encodeAlert,
  encodeResumptionRecord,
  parseResumptionRecord,
  readResumeHello,
  resumptionRecord,
  ServerResume,
  type AlertCode,
  type GatewayIdentity,
  type OpenedFrame,
  type ResumptionRecord,
  type SignedBinding,
} from '@sallyport/channel';
import { toHex, type Secret } from '@sallyport/crypto';
import {
  freezePrincipal,
  type Decision,
  type DecisionRequest,
  type Principal,
} from '@sallyport/policy-engine';
import { SallyportError } from '@sallyport/service/errors';
import { ledgerKeys, type LedgerKeys } from './ledger-keys.ts';
import { OPEN_ACTION, OPEN_RESOURCE, type OpenedSession, type Refused } from './open-session.ts';
import type { SessionStore, StoredSession } from './ports.ts';
import type { Share, Shares } from './shares.ts';

export type ResumePorts = {
  readonly identity: () => GatewayIdentity;
  readonly now: () => number;
  readonly store: Pick<SessionStore, 'find' | 'takeOver'>;
  /** As this process heard, whatever the store still knows. By session id in hex. */
  readonly isRevoked: (sessionId: string) => boolean;
  readonly records: {
    seal(sessionId: string, record: Secret): Promise<Uint8Array>;
    open(sessionId: string, sealed: Uint8Array): Promise<Secret | undefined>;
  };
  /** Throws `SallyportError`; `already_exists`, `session_expired` and `credential_invalid` when it is over for good. */
  readonly createSessionKey: (
    binding: SignedBinding,
  ) => Promise<{ readonly key: KeyObject; readonly leaseNotAfterMs: number }>;
  readonly decide: (request: DecisionRequest) => Decision;
  /** Throws while there is no policy to judge by: a denial then is no word on the session. */
  readonly checkPolicy: () => void;
  readonly shares: Pick<Shares, 'take'>;
  /** What became of a client that proved itself. Durable when it resolves. */
  readonly recordResume: (resume: ResumeEntry) => Promise<void>;
  /** Told why a resume failed for no fault of the client. */
  readonly onProblem: (error: unknown) => void;
};

export type ResumeEntry = {
  readonly sessionId: string;
  readonly principal: string;
  readonly tenant: string;
  readonly decision: 'allow' | 'deny';
  /** `resumed`, or why not. */
  readonly cause: string;
  readonly policyRevision: string;
};

/** As an opened one; `first` is its first frame, to be taken up once it is in the table. */
export type ResumedSession = Omit<OpenedSession, 'kind' | 'frame'> & {
  readonly kind: 'resumed';
  readonly first: OpenedFrame;
};

/** One resume, from ResumeHello to the first frame. Used once. */
export type SessionResuming = {
  /** ResumeAnswer, or the alert. */
  hello(frame: Uint8Array): Promise<{ readonly kind: 'answered'; readonly frame: Uint8Array } | Refused>;
  first(frame: Uint8Array): Promise<ResumedSession | Refused>;
  /** It will not be completed. Once, and only after `hello` answered. */
  abandon(): void;
};

const RETRY_AFTER_MS = 500;
/** The session key is gone, or never was for this binding: the session is over, here and elsewhere. */
const OVER: ReadonlySet<string> = new Set(['already_exists', 'session_expired', 'credential_invalid']);

type Answered = {
  readonly resume: ServerResume;
  readonly found: StoredSession;
  readonly record: ResumptionRecord;
  readonly ledger: LedgerKeys;
  readonly principal: Principal;
  readonly share: Share;
  readonly policyRevision: string;
};

export function beginResume(
  ports: ResumePorts,
  peer: { readonly exporter: Uint8Array | undefined },
): SessionResuming {
  let answered: Answered | undefined;

  async function answer(
    frame: Uint8Array,
  ): Promise<{ readonly kind: 'answered'; readonly frame: Uint8Array } | Refused> {
    const named = readResumeHello(frame);
    if (!named.ok) return refused(undefined, 'invalid_message', named.cause);
    const sid = named.sid.slice();
    const sessionId = toHex(sid);
    const found = ports.isRevoked(sessionId) ? 'revoked' : await ports.store.find(sessionId);
    if (found === undefined || found === 'revoked')
      return refused(sid, 'unknown_session', found ?? 'no_session_record');
    const record = await readRecord(sessionId, found.sealedRecord);
    if (record === undefined) return refused(sid, 'unknown_session', 'session_record_unreadable');

    const resume = new ServerResume({
      identity: ports.identity(),
      record,
      clock: ports.now,
      exporter: peer.exporter,
    });
    const verified = resume.onResumeHello(frame);
    if (!verified.ok) return { kind: 'refused', frame: verified.alert, cause: verified.cause };

    ports.checkPolicy();
    // From here on it is the client: what becomes of it is recorded.
    const { binding } = record;
    const principal = freezePrincipal({
      id: binding.principal,
      tenant: binding.tenant,
      method: binding.method,
      assurance: binding.assurance,
    });
    const decision = ports.decide({ principal, action: OPEN_ACTION, resource: OPEN_RESOURCE });
    const policyRevision = String(decision.policyRevision);
    const deny = async (alert: AlertCode, cause: string): Promise<Refused> => {
      await ports.recordResume(entryOf(principal, sessionId, 'deny', cause, policyRevision));
      return refused(sid, alert, cause);
    };
    if (decision.decision !== 'allow') return deny('unknown_session', decision.reasons[0] ?? 'denied');
    let session: Awaited<ReturnType<ResumePorts['createSessionKey']>>;
    try {
      session = await ports.createSessionKey(record.signedBinding);
    } catch (error) {
      if (error instanceof SallyportError && OVER.has(error.reason))
        return deny('unknown_session', 'session_key_destroyed');
      throw error;
    }
    const share = ports.shares.take(`${principal.tenant} ${principal.id}`);
    if (share === undefined) return deny('busy', 'too_many_sessions');
    const made = resume.answer({
      sessionKey: session.key,
      lease: { notAfterMs: session.leaseNotAfterMs },
      receivedThrough: found.received,
    });
    if (!made.ok) {
      share.leave();
      return { kind: 'refused', frame: made.alert, cause: made.cause };
    }
    const ledger = ledgerKeys(session.key, sessionId);
    answered = { resume, found, record, ledger, principal, share, policyRevision };
    return { kind: 'answered', frame: made.frame };
  }

  async function readRecord(sessionId: string, sealed: Uint8Array): Promise<ResumptionRecord | undefined> {
    const secret = await ports.records.open(sessionId, sealed);
    if (secret === undefined) return undefined;
    const parsed = secret.use((bytes) => parseResumptionRecord(bytes));
    secret.wipe();
    return parsed.ok && toHex(parsed.sid) === sessionId ? parsed : undefined;
  }

  async function attach(of: Answered, frame: Uint8Array): Promise<ResumedSession | Refused> {
    const { resume, found, record, ledger, principal, policyRevision } = of;
    const resumed = resume.onFirstFrame(frame);
    if (!resumed.ok) return { kind: 'refused', frame: resumed.alert, cause: resumed.cause };
    const { session, opened } = resumed;
    const sessionId = toHex(record.sid);
    try {
      const sealedRecord = await ports.records.seal(
        sessionId,
        encodeResumptionRecord(resumptionRecord(session)),
      );
      const attachment = { sessionId, notAfterMs: record.binding.notAfterMs, responseKey: ledger.response };
      const next = { firstSequence: opened.firstSequence, sealedRecord };
      const guard = ports.isRevoked(sessionId)
        ? ({ refused: 'revoked' } as const)
        : await ports.store.takeOver(attachment, found, next);
      if ('refused' in guard) {
        session.leaveEpoch();
        await ports.recordResume(entryOf(principal, sessionId, 'deny', guard.refused, policyRevision));
        return refused(record.sid, 'unknown_session', guard.refused);
      }
      await ports.recordResume(entryOf(principal, sessionId, 'allow', 'resumed', policyRevision));
      return {
        kind: 'resumed',
        session,
        guard,
        digestKey: ledger.digest,
        principal,
        share: of.share,
        first: opened,
      };
    } catch (error) {
      // Whether it is attached now is not known. Nothing of the frame was done; the client resumes from either epoch.
      session.leaveEpoch();
      throw error;
    }
  }

  function busy(sid: Uint8Array | undefined, error: unknown): Refused {
    ports.onProblem(error);
    return refused(sid, 'busy', 'service_unavailable', RETRY_AFTER_MS);
  }

  return {
    async hello(frame) {
      try {
        return await answer(frame);
      } catch (error) {
        const named = readResumeHello(frame);
        return busy(named.ok ? named.sid : undefined, error);
      }
    },
    async first(frame) {
      const of = answered;
      answered = undefined;
      if (of === undefined) return refused(undefined, 'invalid_message', 'out_of_order');
      let result: ResumedSession | Refused;
      try {
        result = await attach(of, frame);
      } catch (error) {
        result = busy(of.record.sid, error);
      }
      if (result.kind === 'refused') of.share.leave();
      return result;
    },
    abandon() {
      answered?.share.leave();
      answered = undefined;
    },
  };
}

function refused(sid: Uint8Array | undefined, alert: AlertCode, cause: string, retryAfterMs = 0): Refused {
  return { kind: 'refused', frame: encodeAlert(sid, alert, retryAfterMs), cause };
}

function entryOf(
  principal: Principal,
  sessionId: string,
  decision: 'allow' | 'deny',
  cause: string,
  policyRevision: string,
): ResumeEntry {
  return { sessionId, principal: principal.id, tenant: principal.tenant, decision, cause, policyRevision };
}
