/** Tells gateways of revocations at once; the numbered feed is what they may rely on. */
import { create, toBinary } from '@bufbuild/protobuf';
import { eventsv1 } from '@sallyport/proto';
import type { Bus } from '@sallyport/service/bus';
import type { AnnounceRevocation } from '../app/ports.ts';

export const REVOKED_SUBJECT = 'sessions.revoked';

export function revocationAnnouncer(bus: Pick<Bus, 'publish'>): AnnounceRevocation {
  return ({ number, sessionId, cause }) => {
    const revoked = create(eventsv1.SessionRevokedSchema, { number, sessionId, cause });
    const payload = toBinary(eventsv1.SessionRevokedSchema, revoked);
    return bus.publish(REVOKED_SUBJECT, payload, { msgId: `session-revoked-${number}` });
  };
}
