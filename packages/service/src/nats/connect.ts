/** A connection for requests that are answered, such as those of the gateway's route `nats`. */
import { errors, headers, RequestError, type Msg, type MsgHdrs } from '@nats-io/transport-node';
import { BusError } from '../bus/error.ts';
import { parseSubject } from '../bus/subject.ts';
import { busError } from './failure.ts';
import { openLink } from './link.ts';
import { parseNatsOptions, type NatsOptions } from './options.ts';

export interface NatsRequestOptions {
  /** Until the reply; above 0. */
  readonly timeoutMs: number;
  /** Names are tokens of HTTP, values one line; anything else is `invalid`. */
  readonly headers?: Readonly<Record<string, string>>;
}

export type NatsAnswer =
  | {
      readonly kind: 'reply';
      /** A view of the frame that it came in; at most the server's `max_payload`. */
      readonly payload: Uint8Array;
      /** The first value of each; names as the responder wrote them. */
      readonly headers: ReadonlyMap<string, string>;
    }
  /** The request reached nobody: no connection, no right to that subject, or nobody who listens. */
  | { readonly kind: 'not_sent'; readonly problem: string }
  /** It was sent, and what came of it cannot be known: no reply in time, or the connection was lost. */
  | { readonly kind: 'unknown'; readonly problem: string };

export interface NatsConnectionHandle extends AsyncDisposable {
  /** Sends once and waits for the first reply. Throws `BusError`: `invalid`, `closed`. */
  request(subject: string, payload: Uint8Array, options: NatsRequestOptions): Promise<NatsAnswer>;
  /** A round trip to the server within `timeoutMs` (default 1000). Throws `BusError`: `unavailable`, `closed`. */
  check(timeoutMs?: number): Promise<void>;
  /** Requests that wait end as `unknown`. Idempotent. */
  close(): Promise<void>;
}

/** As `openNatsBus`: resolves also while no server can be reached. Throws `BusError`: `invalid`, `refused`. */
export async function connectNats(options: NatsOptions): Promise<NatsConnectionHandle> {
  const link = await openLink(parseNatsOptions(options));
  return {
    async request(subject, payload, { timeoutMs, headers: given = {} }) {
      parseSubject(subject);
      const sent = headersOf(given);
      try {
        const connection = link.connection();
        return replied(await connection.request(subject, payload, { timeout: timeoutMs, headers: sent }));
      } catch (error) {
        return unanswered(subject, error);
      }
    },
    check: (timeoutMs) => link.check(timeoutMs),
    close: () => link.close(),
    [Symbol.asyncDispose]: () => link.close(),
  };
}

function replied({ data, headers: given }: Msg): NatsAnswer {
  const names = given?.keys() ?? [];
  return {
    kind: 'reply',
    payload: data,
    headers: new Map(names.map((name) => [name, given?.get(name) ?? ''])),
  };
}

function unanswered(subject: string, error: unknown): NatsAnswer {
  const failure = busError(`a request on ${subject}`, error);
  if (failure.kind === 'closed' || failure.kind === 'invalid') throw failure;
  const isNotSent =
    error instanceof BusError || // there was no connection
    isRefusedToPublish(error) ||
    (error instanceof RequestError && error.isNoResponders()) ||
    error instanceof errors.NoRespondersError;
  return { kind: isNotSent ? 'not_sent' : 'unknown', problem: failure.message };
}

/** Who may not hear the answers is refused too, and that request was sent. */
function isRefusedToPublish(error: unknown): boolean {
  const root = error instanceof RequestError ? error.cause : error;
  return root instanceof errors.PermissionViolationError && root.operation === 'publish';
}

// RFC 9110 section 5.6.2; the NATS server takes headers as it gets them.
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$/u;
const HEADER_VALUE = /^[^\r\n\0]{0,8192}$/u;

function headersOf(given: Readonly<Record<string, string>>): MsgHdrs {
  const made = headers();
  for (const [name, value] of Object.entries(given)) {
    if (!HEADER_NAME.test(name) || !HEADER_VALUE.test(value))
      throw new BusError('invalid', `the header ${JSON.stringify(name.slice(0, 64))} cannot be sent`);
    made.set(name, value);
  }
  return made;
}
