/**
 * What a session has besides its messages: the stream of what the server says by itself (GET, 2025-11-25 "Listening for
 * Messages from the Server") and its end (DELETE, "Session Management"). 2026-07-28 has neither: 405.
 */
import { eraOf } from '@sallyport/model-context';
import type { Exchange, ListenCall, ModelContextServer } from '../ports.ts';
import { BAD_HANDLE, evidenced, inner, type Admission, type Admissions } from './admissions.ts';
import { askedAgain, askedOfServer, END, LISTEN, type Asked } from './asked.ts';
import type { Judge } from './judge.ts';
import { silent, type OneWay } from './one-way.ts';
import { NO_BODY_DIGEST, type Passages } from './passages.ts';
import type { GuardedPorts } from './ports.ts';
import { notRecorded, upstreamFailed, withoutId } from './refusals.ts';
import type { Seals, StreamOf } from './seals.ts';
import { asFailure, type Stream, type Streams } from './streams.ts';

export type SessionVerbPorts = {
  readonly upstream: Pick<ModelContextServer, 'listen' | 'end'>;
  readonly admissions: Admissions;
  readonly judge: Judge;
  readonly seals: Pick<Seals, 'openEvent'>;
  readonly passages: Passages;
  readonly streams: Streams;
  readonly oneWay: Pick<OneWay, 'taken'>;
} & Pick<GuardedPorts, 'route' | 'onProblem'>;

type Resumed = { readonly id: string; readonly of?: StreamOf };

/** Neither rejects: what goes wrong is a status with an error. */
export function createSessionVerbs(ports: SessionVerbPorts): Pick<ModelContextServer, 'listen' | 'end'> {
  const { upstream, admissions, judge, seals, passages, streams, oneWay, route, onProblem } = ports;

  /** What the stream belongs to, and the yes or no to it. */
  async function admitted(
    call: ListenCall,
  ): Promise<{ readonly of?: StreamOf | undefined; readonly admission: Admission<ListenCall> }> {
    const session = await admissions.sessionOf(call);
    if ('code' in session) return { admission: { refusal: session } };
    const { lastEventId: sealed, ...unsealed } = call;
    let event: Resumed | undefined;
    if (sealed !== undefined) {
      try {
        event = await seals.openEvent(call, session.sessionId, sealed);
      } catch (error) {
        return { admission: { refusal: admissions.unjudged(error) } };
      }
      if (event === undefined) return { admission: { refusal: BAD_HANDLE.event } };
    }
    const of = event?.of;
    const forward = {
      ...inner(unsealed, session),
      ...(event === undefined ? {} : { lastEventId: event.id }),
    };
    const admission = admissions.judged<ListenCall>(call, askedOfListening(of), forward);
    // What is resumed is the answer to something that may have been taken away meanwhile.
    const again = of === undefined ? undefined : askedAgain(route, of.method, of.target);
    const denial = again === undefined ? undefined : judge.decideAny(call.caller, again).refusal;
    return {
      of,
      admission: denial === undefined || admission.refusal !== undefined ? admission : { refusal: denial },
    };
  }

  const askedOfListening = (of: StreamOf | undefined): Asked => ({
    ...askedOfServer(route, LISTEN),
    ...(of?.target === undefined ? {} : { target: of.target }),
  });

  return {
    async listen(call) {
      if (eraOf(call.revision) === 'stateless') return silent(405);
      const { of, admission } = await admitted(call);
      const asked = askedOfListening(of);
      const passage = passages(call, asked, NO_BODY_DIGEST);
      const refusal = await admissions.recorded(passage, admission);
      if (refusal !== undefined || admission.forward === undefined)
        return withoutId(refusal ?? notRecorded(undefined));
      passage.endsWithClient(call.signal, 'success', 'closed');
      let exchange: Exchange;
      try {
        exchange = await upstream.listen(evidenced(passage, admission));
      } catch (error) {
        const failure = asFailure(error, onProblem);
        await passage.concluded('failure', failure.problem);
        return withoutId(upstreamFailed(route, failure, false));
      }
      const { sessionId: _, ...plain } = exchange;
      if (exchange.status >= 400) return oneWay.taken(passage, true, () => Promise.resolve(plain));
      const { sessionId } = admission.forward;
      const stream: Stream = {
        ...{ call, asked, passage, sessionId },
        ...(of === undefined ? {} : { request: { id: of.id, method: of.method }, isResumed: true }),
      };
      return { ...plain, messages: streams(stream, exchange) };
    },

    async end(call) {
      if (eraOf(call.revision) === 'stateless') return silent(405);
      const asked = askedOfServer(route, END, false);
      const passage = passages(call, asked, NO_BODY_DIGEST);
      const session = await admissions.sessionOf(call);
      const admission =
        'code' in session ? { refusal: session } : admissions.judged(call, asked, inner(call, session));
      const refusal = await admissions.recorded(passage, admission);
      if (refusal !== undefined || admission.forward === undefined)
        return withoutId(refusal ?? notRecorded(undefined));
      return oneWay.taken(passage, false, () => upstream.end(evidenced(passage, admission)));
    },
  };
}
