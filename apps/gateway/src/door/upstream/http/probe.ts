/** Asks a server behind HTTP which eras it speaks. Nobody's call: it is told who asks by the gateway's credential alone. */
import {
  eraOf,
  isResponse,
  type Era,
  type Message,
  type Request,
  type Revision,
} from '@sallyport/model-context';
import { UpstreamFailure } from '../../ports.ts';
import { DISCOVER, erasOf, INITIALIZE, isSession, isStateless } from '../eras.ts';
import { ByteBudget } from '../exchanges.ts';
import { exchangeOf } from './answers.ts';
import type { Attempt } from './attempts.ts';
import { discard } from './body.ts';
import { messageHeaders, PROBE_HEADERS } from './headers.ts';
import type { Answer, LinkRequest } from './link.ts';
import { serverEvents } from './stream.ts';

const PROBE_MS = 10_000;

export type Probe = (
  request: Omit<LinkRequest, 'headers'>,
  headers: Readonly<Record<string, string>>,
) => Promise<Answer>;

export type ProbeBounds = {
  readonly maxMessageBytes: number;
  readonly maxExchangeBytes: number;
  readonly monotonic: () => number;
};

/** Rejects with `UpstreamFailure` when the server cannot be asked. */
export async function askEras(
  probe: Probe,
  bounds: ProbeBounds,
  stop: AbortSignal,
): Promise<ReadonlySet<Era>> {
  const ending = new AbortController();
  const late = new UpstreamFailure('timeout', `the server did not say within ${PROBE_MS} ms what it speaks`);
  const timer = setTimeout(() => ending.abort(late), PROBE_MS);
  const abort = (): void => ending.abort();
  stop.addEventListener('abort', abort, { once: true });
  try {
    const { signal } = ending;
    const discovered = await ask(probe, bounds, DISCOVER, '2026-07-28', signal);
    const stateless = isStateless(discovered.message);
    const initialized = await ask(probe, bounds, INITIALIZE, '2025-11-25', signal);
    if (initialized.sessionId !== undefined) await close(probe, initialized.sessionId, signal);
    const session = isSession(initialized.message);
    // Neither, and it is in trouble: that is not to be remembered.
    if (stateless !== true && !session && Math.max(discovered.status, initialized.status) >= 500)
      throw new UpstreamFailure('unreachable', `the server answers with HTTP status ${initialized.status}`);
    return erasOf(stateless, session);
  } finally {
    clearTimeout(timer);
    stop.removeEventListener('abort', abort);
  }
}

type Probed = {
  readonly status: number;
  readonly message: Message | undefined;
  readonly sessionId: string | undefined;
};

async function ask(
  probe: Probe,
  { maxMessageBytes, maxExchangeBytes, monotonic }: ProbeBounds,
  message: Request,
  revision: Revision,
  signal: AbortSignal,
): Promise<Probed> {
  const answer = await probe(
    { method: 'POST', body: JSON.stringify(message), signal },
    { ...PROBE_HEADERS, ...messageHeaders({ message, revision }, undefined) },
  );
  const { status, sessionId } = answer;
  const asFailure = (error: unknown): UpstreamFailure =>
    error instanceof UpstreamFailure
      ? error
      : new UpstreamFailure('broke_off', 'the connection to the server broke', { cause: error });
  const attempt: Attempt = {
    ...{ signal, answering: () => undefined, answered: () => undefined, left: () => undefined },
    fail: asFailure,
  };
  try {
    const exchange = await exchangeOf(answer, {
      ...{ message, revision, maxMessageBytes, bodyMs: PROBE_MS, attempt, onMessage: () => undefined },
      stream: (body) =>
        serverEvents(body, {
          ...{ maxMessageBytes, monotonic, signal, idleMs: PROBE_MS, giveUpMs: PROBE_MS },
          budget: new ByteBudget(maxExchangeBytes, undefined, monotonic),
          ...{ request: message.id, takesRequests: eraOf(revision) === 'session', takesResponses: false },
          ...{ endsInOrder: false, failureOf: asFailure },
          onMessage: () => undefined,
          onResumed: () => undefined,
        }),
    });
    for await (const { message: said } of exchange.messages)
      if (said !== undefined && isResponse(said)) return { status, message: said, sessionId };
    return { status, message: undefined, sessionId };
  } catch (error) {
    // A server that does not know the question may say so in any way.
    if (error instanceof UpstreamFailure && error.problem === 'malformed')
      return { status, message: undefined, sessionId };
    throw asFailure(error);
  }
}

async function close(probe: Probe, sessionId: string, signal: AbortSignal): Promise<void> {
  const headers = {
    ...PROBE_HEADERS,
    'MCP-Protocol-Version': '2025-11-25',
    'Mcp-Session-Id': sessionId,
  };
  try {
    discard((await probe({ method: 'DELETE', signal }, headers)).body);
  } catch {
    // It ends by itself.
  }
}
