export {
  bundleFeed,
  DEAD_AFTER_MS,
  HEARTBEAT_MS,
  heartbeatSubject,
  keyFeed,
  revocationFeed,
  type Feed,
  type FeedStatus,
} from './feeds.ts';
export { announce, startHeartbeat, type HeartbeatOptions } from './publish.ts';
export { followFeed, type Announcement, type FollowOptions, type Follower, type Polled } from './follow.ts';
export { followKeys, type FollowKeysOptions } from './keys.ts';
export { feedMeter, type FeedMeter } from './measure.ts';
