/**
 * What each service may say and hear on NATS, and nothing more: the lists for its user in the server's configuration.
 *
 * A publication's subject proves its sender only because of these lists; `test/nats/permissions.test.ts` asks a real
 * server about every service and every subject.
 */
import { auditAckPattern, auditEventsSubject } from '../audit/subjects.ts';
import { bundleFeed, heartbeatSubject, keyFeed, revocationFeed, type Feed } from '../feed/feeds.ts';
import type { ServiceName } from '../identity/spiffe.ts';
import { inboxPrefix } from './options.ts';
import { auditConsumer, auditStream } from './streams.ts';

export interface NatsPermissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** What the two ends of feeds use: announcements and heartbeats. */
const feeds = (...all: readonly Feed[]): readonly string[] =>
  all.flatMap((feed) => [feed.subject, heartbeatSubject(feed)]);

/** Subjects beyond those that every service has: its own events, their acknowledgements, its own inbox. */
const OWN: Readonly<Record<ServiceName, NatsPermissions>> = {
  gateway: { publish: [], subscribe: feeds(bundleFeed, revocationFeed, keyFeed) },
  'auth-service': { publish: feeds(revocationFeed), subscribe: [] },
  // Its replicas hear each other.
  'key-service': { publish: feeds(keyFeed), subscribe: feeds(keyFeed) },
  'policy-service': { publish: feeds(bundleFeed), subscribe: feeds(bundleFeed, keyFeed) },
  'audit-service': {
    publish: ['audit.ack.*.*', ...consumerApi(auditStream.name, auditConsumer.name, auditConsumer.subject)],
    subscribe: feeds(keyFeed),
  },
};

export function natsPermissions(service: ServiceName): NatsPermissions {
  const own = OWN[service];
  return {
    publish: [auditEventsSubject(service), ...own.publish],
    subscribe: [auditAckPattern(service), `${inboxPrefix(service)}.>`, ...own.subscribe],
  };
}

/** The gateway's user for routes: requests on these subjects, and their replies. It has a connection of its own. */
export function natsRoutePermissions(name: string, subjects: readonly string[]): NatsPermissions {
  return { publish: subjects, subscribe: [`${inboxPrefix(name)}.>`] };
}

/** The API that `provisionNats` and one durable pull consumer use. No deleting, no purging, no reading beside it. */
function consumerApi(stream: string, consumer: string, filter: string): readonly string[] {
  return [
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.STREAM.CREATE.${stream}`,
    `$JS.API.CONSUMER.INFO.${stream}.${consumer}`,
    `$JS.API.CONSUMER.CREATE.${stream}.${consumer}.${filter}`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`,
    `$JS.ACK.${stream}.${consumer}.>`,
  ];
}
