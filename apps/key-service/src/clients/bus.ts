/** Tells consumers of keys about new and old versions, and hears of those that other replicas made. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { eventsv1 } from '@sallyport/proto';
import type { Bus, Subscription } from '@sallyport/service/bus';
import { announce, keyFeed } from '@sallyport/service/feed';
import type { Log } from '@sallyport/service/log';
import type { AnnounceKey } from '../app/ports.ts';
import type { KeyEvent } from '../domain/key-event.ts';
import { signingKeyOf } from '../domain/signing.ts';
import { parseKeyId, type KeyId } from '../domain/key.ts';

const STATE = {
  created: 'ACTIVE',
  deactivated: 'DEACTIVATED',
  destroyed: 'DESTROYED',
} as const satisfies Record<KeyEvent['change'], string>;

/** An announcement that does not get through is logged: the next heartbeat shows what is missing. */
export function keyAnnouncer(bus: Bus, log: Log): AnnounceKey {
  return async ({ id, change, subject, number = 0n }) => {
    if (subject.type !== 'key') return;
    const payload = toBinary(
      eventsv1.KeyChangedSchema,
      create(eventsv1.KeyChangedSchema, {
        name: subject.name,
        keyId: subject.keyId,
        state: STATE[change],
        purpose: subject.kind === 'signing' ? (signingKeyOf(subject.name)?.purpose ?? subject.name) : '',
        number,
      }),
    );
    try {
      await announce(bus, keyFeed, payload, { msgId: id });
    } catch (error) {
      log.warn('a key change was not announced', { keyId: subject.keyId, error });
    }
  };
}

/** Calls `onDeactivated` for each version that stopped being active, wherever that happened. What is no announcement is passed over. */
export function followKeyChanges(
  bus: Pick<Bus, 'subscribe'>,
  onDeactivated: (keyId: KeyId) => Promise<void>,
): Promise<Subscription> {
  return bus.subscribe(keyFeed.subject, {}, async ({ payload }) => {
    const changed = announcementOf(payload);
    const id = changed && parseKeyId(changed.keyId);
    if (id !== undefined && changed?.state !== STATE.created) await onDeactivated(id);
  });
}

function announcementOf(payload: Uint8Array): eventsv1.KeyChanged | undefined {
  try {
    return fromBinary(eventsv1.KeyChangedSchema, payload);
  } catch {
    return undefined;
  }
}
