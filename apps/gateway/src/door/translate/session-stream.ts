/**
 * The stream of a session (GET of 2025-11-25 and before) over `subscriptions/listen`. What is listened to changes with the
 * session's subscriptions: the next listening is acknowledged before the last one ends, so that nothing falls between.
 */
import {
  isNotification,
  isResponse,
  META,
  objectMember,
  withMeta,
  type JsonObject,
  type Message,
  type Notification,
  type Request,
} from '@sallyport/model-context';
import {
  UpstreamFailure,
  type Call,
  type ListenCall,
  type MessageCall,
  type ModelContextServer,
  type ServerEvent,
} from '../ports.ts';
import { isChange, LIST_CHANGES } from './capabilities.ts';
import type { ClientSession } from './client-sessions.ts';
import { mailbox } from './mailbox.ts';
import type { TranslatePorts } from './ports.ts';
import { pause } from './time.ts';

export type StreamSource = {
  readonly server: ModelContextServer;
  readonly stateless: (
    call: Call,
    session: ClientSession,
    request: Request,
    signal: AbortSignal,
  ) => MessageCall;
  readonly ports: TranslatePorts;
};

const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 30_000;

/** A session has one stream: a newer one ends an older. */
export async function* sessionStream(
  call: ListenCall,
  session: ClientSession,
  source: StreamSource,
): AsyncGenerator<ServerEvent> {
  const box = mailbox<Notification>({
    capacity: 1_024,
    comfortable: 1_024,
    cancelled: () => new UpstreamFailure('cancelled', 'The client left.'),
  });
  const ended = new AbortController();
  const signal = AbortSignal.any([call.signal, ended.signal]);
  let listening: AbortController | undefined;
  let version = 0;

  const listenAgain = (): void => {
    version += 1;
    const mine = version;
    const before = listening;
    const current = new AbortController();
    listening = current;
    void keepListening(AbortSignal.any([signal, current.signal]), mine, () => before?.abort());
  };
  /** Until another takes its place: asked for again whenever the server ends it. */
  const keepListening = async (own: AbortSignal, mine: number, onAcknowledged: () => void): Promise<void> => {
    let retryMs = RETRY_FIRST_MS;
    while (!own.aborted && mine === version) {
      try {
        const request = listenRequest(session, mine);
        const exchange = await source.server.send(source.stateless(call, session, request, own));
        for await (const { message } of exchange.messages) {
          onAcknowledged();
          if (message === undefined || isResponse(message)) break;
          // It changes nothing that could be told: no use in asking again.
          if (hasAgreedToNothing(message)) return;
          if (!isNotification(message) || !isChange(message.method)) continue;
          retryMs = RETRY_FIRST_MS;
          box.put(withMeta(message, { [META.subscriptionId]: undefined }));
        }
      } catch {
        // Asked for again below.
      }
      onAcknowledged();
      await pause(source.ports, retryMs, own);
      retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
    }
  };

  session.stream?.end();
  const stream = {
    changed: listenAgain,
    end: (): void => {
      ended.abort();
      box.close();
    },
  };
  session.stream = stream;
  listenAgain();
  try {
    for (;;) {
      const notification = await box.take(call.signal);
      if (notification === undefined) return;
      yield { message: notification };
    }
  } finally {
    ended.abort();
    if (session.stream === stream) delete session.stream;
  }
}

const hasAgreedToNothing = (message: Message): boolean => {
  if (!('method' in message) || message.method !== 'notifications/subscriptions/acknowledged') return false;
  return Object.keys(objectMember(message.params, 'notifications') ?? {}).length === 0;
};

/** Lists are asked for whether the server has them or not: it agrees to what it can (2026-07-28 "Subscriptions"). */
const listenRequest = (session: ClientSession, version: number): Request => {
  const filter: JsonObject = {
    ...Object.fromEntries(LIST_CHANGES.map(([name]) => [name, true])),
    ...(session.subscriptions.size === 0 ? {} : { resourceSubscriptions: [...session.subscriptions] }),
  };
  return {
    jsonrpc: '2.0',
    id: `listen-${version}`,
    method: 'subscriptions/listen',
    params: { notifications: filter },
  };
};
