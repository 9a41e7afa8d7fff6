/** What there is on a server, for whoever looks at a deployment; makes and changes nothing. */
import { JetStreamApiCodes, JetStreamApiError, jetstreamManager } from '@nats-io/jetstream';
import { busError } from './failure.ts';
import { openLink } from './link.ts';
import { parseNatsOptions, type NatsOptions } from './options.ts';
import { auditConsumer, auditStream } from './streams.ts';

export interface NatsInspection {
  /** Of the server, e.g. `2.10.4`. */
  readonly version: string;
  /** Only audit-service may ask for it; undefined for others, and where stream or consumer are missing. */
  readonly auditConsumer: { readonly stream: string; readonly waiting: number } | undefined;
}

const TIMEOUT_MS = 3000;

/** Throws `BusError`: `refused` when the user does not get in, `unavailable` when there is no server. */
export async function inspectNats(options: NatsOptions): Promise<NatsInspection> {
  const link = await openLink(parseNatsOptions(options));
  try {
    await link.check(TIMEOUT_MS);
    const connection = link.connection();
    const version = connection.info?.version ?? 'unknown';
    if (options.name !== auditConsumer.name) return { version, auditConsumer: undefined };
    const manager = await jetstreamManager(connection, { checkAPI: false, timeout: TIMEOUT_MS });
    const found = await manager.consumers.info(auditStream.name, auditConsumer.name).catch(absent);
    if (found === undefined) return { version, auditConsumer: undefined };
    const waiting = found.num_pending + found.num_ack_pending;
    return { version, auditConsumer: { stream: found.stream_name, waiting } };
  } catch (error) {
    throw busError('looking at the server', error);
  } finally {
    await link.close();
  }
}

const ABSENT: readonly number[] = [JetStreamApiCodes.ConsumerNotFound, JetStreamApiCodes.StreamNotFound];

function absent(error: unknown): undefined {
  if (error instanceof JetStreamApiError && ABSENT.includes(error.code)) return undefined;
  throw error;
}
