/** How far behind followers are: the skew between replicas, by feed. */
import type { Gauge, Metrics } from '../metrics/index.ts';
import type { Feed, FeedStatus } from './feeds.ts';

export interface FeedMeter {
  /** From now on the feed's age, lag and number are read at each exposition. */
  follow(feed: Feed, status: () => FeedStatus): void;
  polled(feed: Feed, result: 'answered' | 'failed'): void;
  gap(feed: Feed): void;
}

/** One per process and service: its series carry the feed as a label. */
export function feedMeter(metrics: Metrics): FeedMeter {
  const followed = new Map<Feed, () => FeedStatus>();
  const labels = ['feed'] as const;
  const gauge = (name: string, help: string, value: (status: FeedStatus) => number): void => {
    const made: Gauge<'feed'> = metrics.gauge({
      name,
      help,
      labels,
      collect() {
        for (const [feed, status] of followed) made.set({ feed: feed.name }, value(status()));
        return undefined;
      },
    });
  };
  gauge(
    'feed_age_seconds',
    'Since it was last known that nothing of the feed is missing',
    ({ ageMs }) => ageMs / 1_000,
  );
  gauge('feed_lag', 'Numbers that were named and did not take effect here', ({ lag }) => Number(lag));
  gauge('feed_number', 'Through this number everything took effect here', ({ applied }) => Number(applied));
  const polls = metrics.counter({
    name: 'feed_polls_total',
    help: 'Questions to the publisher of a feed',
    labels: ['feed', 'result'],
  });
  const gaps = metrics.counter({
    name: 'feed_gaps_total',
    help: 'Announcements that came before one they follow',
    labels,
  });
  return {
    follow: (feed, status) => void followed.set(feed, status),
    polled: (feed, result) => polls.add({ feed: feed.name, result }),
    gap: (feed) => gaps.add({ feed: feed.name }),
  };
}
