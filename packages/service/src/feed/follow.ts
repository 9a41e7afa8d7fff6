/**
 * The follower's half of a feed (PROTOCOL.md section 2 "Revocation"): announcements and heartbeats from the bus while
 * they come, gRPC polls on a gap or on silence, one at a time, and the admission of not knowing when neither works.
 */
import { fromBinary } from '@bufbuild/protobuf';
import { eventsv1 } from '@sallyport/proto';
import type { Bus } from '../bus/index.ts';
import type { Clock } from '../clock/index.ts';
import { unavailable } from '../errors/index.ts';
import type { Log } from '../log/index.ts';
import { DEAD_AFTER_MS, POLL_MS, SILENCE_MS, heartbeatSubject, type Feed, type FeedStatus } from './feeds.ts';
import type { FeedMeter } from './measure.ts';
import { FeedProgress } from './progress.ts';

export type Announcement = {
  /** 0 = from a publisher that does not number. */
  readonly number: bigint;
  /**
   * Makes it take effect; may run twice and out of order. Absent when the announcement only says that there is
   * something to fetch.
   */
  readonly apply?: () => Promise<void>;
};

export type Polled = {
  /** Everything through this number took effect here. */
  readonly through: bigint;
  /** The newest number there is, as the publisher said. */
  readonly last: bigint;
};

export type FollowOptions = {
  readonly feed: Feed;
  readonly bus: Pick<Bus, 'subscribe'>;
  /** Undefined for a payload that cannot be read. Never throws. */
  readonly read: (payload: Uint8Array) => Announcement | undefined;
  /**
   * Asks the publisher what came after `applied`, and makes it take effect. Rejects when it cannot, and settles within
   * `deadlineMs` or not much later.
   */
  readonly poll: (applied: bigint, deadlineMs: number) => Promise<Polled>;
  /** Told whenever it is known that nothing is missing. */
  readonly onCurrent?: (number: bigint) => void;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly log: Pick<Log, 'warn' | 'info' | 'error'>;
  readonly meter?: FeedMeter;
  readonly silenceMs?: number;
  readonly pollMs?: number;
  /** Default 1,000: what a failing poll backs off to. */
  readonly maxRetryMs?: number;
  /** Default 1,000. */
  readonly pollDeadlineMs?: number;
  readonly deadAfterMs?: number;
};

export interface Follower extends AsyncDisposable {
  /** Cheap: asked for every frame. */
  isDead(): boolean;
  status(): FeedStatus;
  /** For readiness: rejects with `unavailable`, unless following. */
  check(): Promise<void>;
  /** Asks now, or joins the question under way. Never rejects. */
  ask(): Promise<void>;
}

const RETRY_BOUND_MS = 1_000;
const POLL_DEADLINE_MS = 1_000;
/** While nothing ever took effect: services that start together wait for each other, and `/readyz` says so meanwhile. */
const STARTING_MS = 10_000;

/** Resolves when subscribed; the first poll is under way then. Rejects with `BusError` when it cannot subscribe. */
export async function followFeed(options: FollowOptions): Promise<Follower> {
  const { feed, bus, clock, log, meter } = options;
  const pollMs = options.pollMs ?? POLL_MS;
  const deadAfterMs = options.deadAfterMs ?? DEAD_AFTER_MS;
  const deadlineMs = options.pollDeadlineMs ?? POLL_DEADLINE_MS;
  const silenceMs = options.silenceMs ?? SILENCE_MS;
  const maxRetryMs = Math.max(pollMs, options.maxRetryMs ?? RETRY_BOUND_MS);
  const now = (): number => clock.monotonic();
  const progress = new FeedProgress({ silenceMs, pollMs, maxRetryMs }, now());
  let polling: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  /** When the first of the polls that failed in a row did. */
  let failingSinceMs: number | undefined;
  /** Those that fail were logged: once for each time that it begins. */
  let isFailureTold = false;
  /** What its service last named as the newest number. */
  let answered: bigint | undefined;
  /** The last announcement was: logged once for each time that it begins. */
  let isUnreadable = false;

  const isDead = (): boolean => progress.ageMs(now()) > deadAfterMs;

  function status(): FeedStatus {
    const state = isDead() ? 'dead' : progress.wasCurrent ? 'following' : 'starting';
    return { state, applied: progress.applied, lag: progress.lag, ageMs: progress.ageMs(now()) };
  }

  function current(isCurrent: boolean): void {
    if (isCurrent) options.onCurrent?.(progress.applied);
  }

  function arm(): void {
    clearTimeout(timer);
    if (isOver || polling !== undefined) return;
    timer = setTimeout(() => void ask(), Math.max(0, progress.dueAtMs() - now()));
  }

  async function pollOnce(): Promise<void> {
    const startedAtMs = now();
    try {
      const { through, last } = await options.poll(progress.applied, deadlineMs);
      answered = last;
      const before = progress.applied;
      progress.advance(through);
      // More to come only if this brought something: a publisher that lags is not asked in a loop.
      const hasMore = last > progress.applied && progress.applied > before;
      current(progress.pollSucceeded(last, startedAtMs, now(), hasMore));
      meter?.polled(feed, 'answered');
      if (isFailureTold) log.info('a feed answers again', { feed: feed.name });
      failingSinceMs = undefined;
      isFailureTold = false;
    } catch (error) {
      progress.pollFailed(now());
      meter?.polled(feed, 'failed');
      failingSinceMs ??= startedAtMs;
      const isNews = progress.applied > 0n || now() - failingSinceMs >= STARTING_MS;
      if (isNews && !isFailureTold) {
        log.warn('a feed could not be polled', { feed: feed.name, error });
        isFailureTold = true;
      }
    }
  }

  function ask(): Promise<void> {
    if (isOver) return Promise.resolve();
    polling ??= pollOnce().finally(() => {
      polling = undefined;
      arm();
    });
    return polling;
  }

  /** Never rejects: delivered again it would be the same, and what it was about comes by asking. */
  async function onAnnouncement(payload: Uint8Array): Promise<void> {
    const announcement = options.read(payload);
    if (announcement === undefined || announcement.number === 0n) {
      if (announcement === undefined && !isUnreadable)
        log.error('an announcement could not be read', { feed: feed.name });
      isUnreadable = announcement === undefined;
      progress.doubt();
      return arm();
    }
    isUnreadable = false;
    const { number, apply } = announcement;
    if (number <= progress.applied) return;
    if (apply !== undefined && number > progress.applied + 1n) meter?.gap(feed);
    try {
      // Beyond a gap too: nothing that is known waits for what is not.
      await apply?.();
      if (apply !== undefined && number === progress.applied + 1n) progress.advance(number);
    } catch (error) {
      log.warn('an announcement did not take effect and is asked for', { feed: feed.name, error });
    }
    progress.hear(number, now());
    arm();
  }

  async function onHeartbeat(payload: Uint8Array): Promise<void> {
    const last = lastOf(payload);
    if (last === undefined) return;
    current(progress.beat(last, now()));
    arm();
  }

  await using building = new AsyncDisposableStack();
  building.use(await bus.subscribe(feed.subject, {}, ({ payload }) => onAnnouncement(payload)));
  building.use(await bus.subscribe(heartbeatSubject(feed), {}, ({ payload }) => onHeartbeat(payload)));
  meter?.follow(feed, status);
  const subscriptions = building.move();
  void ask();

  return {
    isDead,
    status,
    ask,
    async check() {
      const { state, ageMs, lag, applied } = status();
      if (state === 'following') return;
      if (failingSinceMs === undefined && answered !== undefined && answered < applied)
        throw unavailable(
          `the feed of ${feed.name} went back: its service names ${answered} where ${applied} took effect. If its ` +
            'database was restored, processes that knew the later state believe it once they are started again',
        );
      const behind = lag === 0n ? '' : `, ${lag} behind`;
      throw unavailable(
        `the feed of ${feed.name} is ${state === 'dead' ? 'dead' : 'not known yet'}: neither the bus nor its service ` +
          `has vouched for it for ${Math.trunc(ageMs / 1_000)} s${behind}`,
      );
    },
    async [Symbol.asyncDispose]() {
      isOver = true;
      clearTimeout(timer);
      await subscriptions.disposeAsync();
      await polling;
    },
  };
}

function lastOf(payload: Uint8Array): bigint | undefined {
  try {
    return fromBinary(eventsv1.FeedHeartbeatSchema, payload).lastNumber;
  } catch {
    return undefined;
  }
}
