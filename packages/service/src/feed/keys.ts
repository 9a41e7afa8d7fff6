/** key-service's directory, followed: consumers hear of a new, old or lost key within a second, whatever was lost. */
import { fromBinary } from '@bufbuild/protobuf';
import { eventsv1, type keyv1 } from '@sallyport/proto';
import { keyFeed } from './feeds.ts';
import { followFeed, type Announcement, type Follower, type FollowOptions } from './follow.ts';

type Directory = {
  listPublicKeys(
    request: { readonly purpose: string },
    options?: { readonly deadlineMs?: number },
  ): Promise<Pick<keyv1.ListPublicKeysResponse, 'keys' | 'lastNumber'>>;
};

export type FollowKeysOptions = Omit<FollowOptions, 'feed' | 'read' | 'poll'> & {
  readonly directory: Directory;
  /** Whose keys are of interest. */
  readonly purpose: string;
  /** Given the keys of that purpose at first, and whenever they or their states are others; again if it rejects. */
  readonly onKeys: (keys: readonly keyv1.PublicKey[]) => Promise<void> | void;
};

/** Rejects with `BusError` when it cannot subscribe. */
export function followKeys({ directory, purpose, onKeys, ...options }: FollowKeysOptions): Promise<Follower> {
  let told: string | undefined;
  return followFeed({
    ...options,
    feed: keyFeed,
    read: announcementOf,
    async poll(_applied, deadlineMs) {
      const { keys, lastNumber } = await directory.listPublicKeys({ purpose }, { deadlineMs });
      const state = keys.map((key) => `${key.keyId} ${key.state}`).join();
      if (told !== state) await onKeys(keys);
      told = state;
      return { through: lastNumber, last: lastNumber };
    },
  });
}

function announcementOf(payload: Uint8Array): Announcement | undefined {
  try {
    return { number: fromBinary(eventsv1.KeyChangedSchema, payload).number };
  } catch {
    return undefined;
  }
}
