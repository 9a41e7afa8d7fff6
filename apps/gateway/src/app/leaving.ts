/** Sessions that outlive their connection: what is left of them for another gateway, and which ends are none. */
import { encodeResumptionRecord, resumptionRecord, type Session } from '@sallyport/channel';
import { toHex, type Secret } from '@sallyport/crypto';
import type { GuardSession, SessionStore } from './ports.ts';

export type LeavingPorts = {
  readonly store: Pick<SessionStore, 'save'>;
  readonly seal: (sessionId: string, record: Secret) => Promise<Uint8Array>;
  readonly onProblem: (error: unknown) => void;
};

/** Leaves a session that opened. Never rejects: one that could not be left lives as long as its connection. */
export function leaveWith(ports: LeavingPorts): (guard: GuardSession, session: Session) => Promise<void> {
  return async (guard, session) => {
    try {
      const record = encodeResumptionRecord(resumptionRecord(session));
      await ports.store.save(guard, await ports.seal(toHex(session.sid), record));
    } catch (error) {
      ports.onProblem(error);
    }
  };
}

/** Ends of an attachment, and not of the session: its client may take it on again, here or elsewhere. */
const ENDS_OF_ATTACHMENT: ReadonlySet<string> = new Set([
  'carrier_closed',
  'epoch_exhausted',
  'epoch_required',
  'gateway_stopping',
  'guard_unavailable',
  'held_up',
  'lease_expired',
  'not_acknowledging',
  'superseded',
]);

/** Whether a session that ended here with this cause goes on. */
export function isLeft(cause: string): boolean {
  return ENDS_OF_ATTACHMENT.has(cause);
}
