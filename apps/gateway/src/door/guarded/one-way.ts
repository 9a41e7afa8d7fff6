/** What gets no response of its own: the outcome in the record is that the server took it. */
import type { Response } from '@sallyport/model-context';
import type { Exchange, MessageCall, ModelContextServer } from '../ports.ts';
import { evidenced, type Admission, type Admissions } from './admissions.ts';
import type { Passage } from './passages.ts';
import type { GuardedPorts } from './ports.ts';
import { exchangeOf, notRecorded, outcomeNotRecorded, upstreamFailed, withoutId } from './refusals.ts';
import { asFailure, discard } from './streams.ts';

export type OneWay = {
  /** Recorded and, where it may, sent on. */
  pass(passage: Passage, admission: Admission<MessageCall>): Promise<Exchange>;
  /** Of what is already recorded as allowed: goes, records what came of it, and tells that in a status. Never rejects. */
  taken(passage: Passage, isReadOnly: boolean, go: () => Promise<Exchange>): Promise<Exchange>;
};

/** `recorded` writes the decision; what is refused is answered with a status and an error without an id. */
export function createOneWay(
  upstream: Pick<ModelContextServer, 'send'>,
  recorded: Admissions['recorded'],
  { route, onProblem }: Pick<GuardedPorts, 'route' | 'onProblem'>,
): OneWay {
  async function taken(
    passage: Passage,
    isReadOnly: boolean,
    go: () => Promise<Exchange>,
  ): Promise<Exchange> {
    try {
      const exchange = await go();
      const { status } = exchange;
      const error = status >= 400 ? await errorOf(exchange) : (await discard(exchange), undefined);
      const isRecorded = await passage.concluded(
        status < 400 ? 'success' : 'failure',
        status < 400 ? 'taken' : error === undefined ? `http_${status}` : String(error.error.code),
      );
      if (!isRecorded) return withoutId(outcomeNotRecorded);
      return error === undefined ? silent(status) : exchangeOf(status, error);
    } catch (error) {
      const failure = asFailure(error, onProblem);
      const mayHaveRun = !failure.isWithoutEffect && !isReadOnly;
      const isRecorded = await passage.concluded(mayHaveRun ? 'unknown' : 'failure', failure.problem);
      return withoutId(isRecorded ? upstreamFailed(route, failure, mayHaveRun) : outcomeNotRecorded);
    }
  }

  return {
    async pass(passage, admission) {
      const refusal = await recorded(passage, admission);
      if (refusal !== undefined || admission.forward === undefined)
        return withoutId(refusal ?? notRecorded(undefined));
      return taken(passage, false, () => upstream.send(evidenced(passage, admission)));
    },
    taken,
  };
}

/** A status and nothing else. */
export const silent = (status: number): Exchange => ({ status, kind: 'none', messages: nothing() });

async function errorOf(exchange: Exchange): Promise<Extract<Response, { error: unknown }> | undefined> {
  for await (const { message } of exchange.messages)
    if (message !== undefined && 'error' in message) return message;
  return undefined;
}

async function* nothing(): AsyncIterable<never> {
  // Nothing is said.
}
