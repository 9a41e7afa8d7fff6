/**
 * The numbered feeds between services. Each has one subject for announcements and one for heartbeats; its numbers are
 * given by the publisher's database, so they are the same from every replica and never go back.
 */
export type Feed = {
  /** Names it in metrics, log and readiness. */
  readonly name: string;
  readonly subject: string;
};

/** What a follower knows of a feed. */
export type FeedStatus = {
  /** `starting`: never current yet. `dead`: not current for longer than is allowed, whether by bus or by poll. */
  readonly state: 'starting' | 'following' | 'dead';
  readonly applied: bigint;
  readonly lag: bigint;
  readonly ageMs: number;
};

export const revocationFeed = { name: 'revocations', subject: 'sessions.revoked' } as const satisfies Feed;
export const bundleFeed = { name: 'policy', subject: 'policy.bundle' } as const satisfies Feed;
export const keyFeed = { name: 'keys', subject: 'keys.changed' } as const satisfies Feed;

export function heartbeatSubject(feed: Feed): string {
  return `${feed.subject}.heartbeat`;
}

/** PROTOCOL.md section 2 "Revocation": a change is effective within a second, announced or not. */
export const HEARTBEAT_MS = 250;
export const SILENCE_MS = 500;
export const POLL_MS = 250;
export const DEAD_AFTER_MS = 30_000;
