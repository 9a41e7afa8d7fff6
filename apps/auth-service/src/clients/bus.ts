/** Tells gateways of revocations: at once, and by a heartbeat that shows them what they missed. */
import { create, toBinary } from '@bufbuild/protobuf';
import { eventsv1 } from '@sallyport/proto';
import type { Bus } from '@sallyport/service/bus';
import { announce, revocationFeed } from '@sallyport/service/feed';
import type { AnnounceRevocation } from '../app/ports.ts';

/** An announcement rejects after a second without the broker's word: people wait for it. */
export function revocationAnnouncer(bus: Pick<Bus, 'publish'>): AnnounceRevocation {
  return ({ number, sessionId, cause }) => {
    const revoked = create(eventsv1.SessionRevokedSchema, { number, sessionId, cause });
    const payload = toBinary(eventsv1.SessionRevokedSchema, revoked);
    return announce(bus, revocationFeed, payload, { msgId: `session-revoked-${number}` });
  };
}
