/**
 * Publishing, bounded in time and in memory. Nothing is buffered for later: without a connection, or with one whose
 * server does not answer, the publisher is told at once and keeps what it has.
 */
import { jetstream, type JetStreamClient } from '@nats-io/jetstream';
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { bounded } from '../bus/bounded.ts';
import { BusError, type PublishOptions } from '../bus/index.ts';
import { validTraceparent } from '../bus/trace.ts';
import { busError, isTimeout } from './failure.ts';
import type { NatsLink } from './link.ts';

export interface PublisherOptions {
  readonly link: NatsLink;
  readonly isStored: (subject: string) => boolean;
  /** Until the broker took one message. */
  readonly timeoutMs: number;
  /** Payload bytes that wait for the broker; at 1 MiB each, a quarter of this many messages. */
  readonly maxWaitingBytes: number;
}

const MAX_WAITING = 1024;
export const MSG_ID_HEADER = 'Nats-Msg-Id';
export const TRACEPARENT_HEADER = 'traceparent';

export function createPublisher({ link, isStored, timeoutMs, maxWaitingBytes }: PublisherOptions) {
  let waiting = 0;
  let waitingBytes = 0;
  let storing: { readonly of: NatsConnection; readonly client: JetStreamClient } | undefined;
  /** The connection that left a message unanswered, until it answers a ping. */
  let silent: NatsConnection | undefined;

  /** What the dead end of a paused server would otherwise fill: the socket's buffer has no bound of its own. */
  function suspect(connection: NatsConnection): void {
    if (silent === connection) return;
    silent = connection;
    void connection.flush().then(
      () => {
        if (silent === connection) silent = undefined;
      },
      () => undefined,
    );
  }

  async function store(connection: NatsConnection, subject: string, payload: Uint8Array, given: MsgHdrs) {
    if (storing?.of !== connection)
      storing = { of: connection, client: jetstream(connection, { timeout: timeoutMs }) };
    await storing.client.publish(subject, payload, { headers: given });
  }

  async function announce(connection: NatsConnection, subject: string, payload: Uint8Array, given: MsgHdrs) {
    let isRefused = false;
    using _refusals = link.onRefused((refused) => {
      isRefused ||= refused === subject;
    });
    connection.publish(subject, payload, { headers: given });
    // The server answers in order: with this pong, it has the message, or has said that it refuses it.
    if (!(await bounded(connection.flush(), timeoutMs))) {
      suspect(connection);
      throw new BusError('unavailable', `publishing on ${subject}: no answer in time`);
    }
    await new Promise((resolve) => void setImmediate(resolve)); // its refusal is told a turn later
    if (isRefused)
      throw new BusError(
        'refused',
        `publishing on ${subject}: the NATS server does not let this user do that`,
      );
  }

  return async (subject: string, payload: Uint8Array, options: PublishOptions): Promise<void> => {
    const connection = link.connection();
    if (silent === connection)
      throw new BusError('unavailable', 'the bus is away: its server does not answer');
    if (waiting >= MAX_WAITING || waitingBytes + payload.length > maxWaitingBytes)
      throw new BusError('full', 'too much waits for the broker; try again');
    waiting += 1;
    waitingBytes += payload.length;
    try {
      // A copy: the caller may reuse its buffer while an unanswered message is still to be written.
      const send = isStored(subject) ? store : announce;
      await send(connection, subject, payload.slice(), headersOf(options));
    } catch (error) {
      if (isTimeout(error)) suspect(connection);
      throw busError(`publishing on ${subject}`, error);
    } finally {
      waiting -= 1;
      waitingBytes -= payload.length;
    }
  };
}

function headersOf({ msgId, traceparent }: PublishOptions): MsgHdrs {
  const given = headers();
  if (msgId !== undefined) given.set(MSG_ID_HEADER, msgId);
  const { traceparent: valid } = validTraceparent(traceparent);
  if (valid !== undefined) given.set(TRACEPARENT_HEADER, valid);
  return given;
}
