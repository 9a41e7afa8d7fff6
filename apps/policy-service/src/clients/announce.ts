import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { eventsv1 } from '@sallyport/proto';
import type { Bus, Subscription } from '@sallyport/service/bus';
import { announce, bundleFeed } from '@sallyport/service/feed';
import type { Announce } from '../app/ports.ts';

/** Tells everyone who listens that a revision is in force. Rejects after a second without the broker's word. */
export function busAnnouncer(bus: Pick<Bus, 'publish'>): Announce {
  return (revision) => {
    const announced = create(eventsv1.BundleAnnouncedSchema, { revision });
    const payload = toBinary(eventsv1.BundleAnnouncedSchema, announced);
    return announce(bus, bundleFeed, payload, { msgId: `policy-bundle-${revision}` });
  };
}

/** Calls `onRevision` for what any replica of this service announces. A payload that is none is ignored: we also poll. */
export function followAnnouncements(
  bus: Pick<Bus, 'subscribe'>,
  onRevision: (revision: bigint) => void,
): Promise<Subscription> {
  return bus.subscribe(bundleFeed.subject, {}, async ({ payload }) => {
    const revision = revisionOf(payload);
    if (revision !== undefined) onRevision(revision);
  });
}

function revisionOf(payload: Uint8Array): bigint | undefined {
  try {
    return fromBinary(eventsv1.BundleAnnouncedSchema, payload).revision;
  } catch {
    return undefined;
  }
}
