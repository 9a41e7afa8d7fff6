/** The publisher's half of a feed: heartbeats with the database's newest number, and announcements that cannot hang. */
import { create, toBinary } from '@bufbuild/protobuf';
import { eventsv1 } from '@sallyport/proto';
import type { Bus, PublishOptions } from '../bus/index.ts';
import type { Clock } from '../clock/index.ts';
import type { Log } from '../log/index.ts';
import { HEARTBEAT_MS, heartbeatSubject, type Feed } from './feeds.ts';

export type HeartbeatOptions = {
  readonly feed: Feed;
  readonly bus: Pick<Bus, 'publish'>;
  /**
   * The newest number, read from the database now: what this replica remembers may lack what another one wrote. A
   * rejection means silence, and followers ask.
   */
  readonly last: () => Promise<bigint>;
  /** Names this replica. */
  readonly publisher: string;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly log: Pick<Log, 'warn'>;
  /** Default 250. */
  readonly intervalMs?: number;
};

/** A number read longer ago than this vouches for nothing; the next beat reads it anew. */
const STALE_BEATS = 2;

/** Beats at once and then every `intervalMs`, one at a time, until disposed. */
export function startHeartbeat(options: HeartbeatOptions): AsyncDisposable {
  const { feed, bus, last, publisher, clock, log, intervalMs = HEARTBEAT_MS } = options;
  const subject = heartbeatSubject(feed);
  let beating: Promise<void> | undefined;
  let isFailing = false;

  async function beat(): Promise<void> {
    const startedAt = clock.monotonic();
    const lastNumber = await last();
    if (clock.monotonic() - startedAt > intervalMs * STALE_BEATS) return;
    const heartbeat = create(eventsv1.FeedHeartbeatSchema, { lastNumber, publisher });
    await withinMs(
      intervalMs * STALE_BEATS,
      bus.publish(subject, toBinary(eventsv1.FeedHeartbeatSchema, heartbeat)),
    );
    isFailing = false;
  }

  function begin(): void {
    beating ??= beat()
      .catch((error: unknown) => {
        // Once for each time that it begins: four lines a second would tell no more.
        if (!isFailing) log.warn('a feed has no heartbeat', { feed: feed.name, error });
        isFailing = true;
      })
      .finally(() => (beating = undefined));
  }

  begin();
  const timer = setInterval(begin, intervalMs);
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await beating;
    },
  };
}

const ANNOUNCE_WITHIN_MS = 1_000;

/** Publishes an announcement of `feed`. Rejects when the broker did not take it within a second; it may have. */
export function announce(
  bus: Pick<Bus, 'publish'>,
  feed: Feed,
  payload: Uint8Array,
  options: PublishOptions = {},
): Promise<void> {
  return withinMs(ANNOUNCE_WITHIN_MS, bus.publish(feed.subject, payload, options));
}

async function withinMs(ms: number, taken: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`the bus did not take it within ${ms} ms`)), ms);
  try {
    await Promise.race([taken, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
