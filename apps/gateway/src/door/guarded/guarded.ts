/**
 * A route of the door, guarded: each message is opened, decided, pinned and recorded before it goes further; each answer is
 * filtered, recorded and sealed before it leaves (docs/adr/0083).
 */
import { isNotification, isRequest, type Notification, type Request } from '@sallyport/model-context';
import type { Exchange, MessageCall, ModelContextServer } from '../ports.ts';
import { createAdmissions, evidenced } from './admissions.ts';
import { askedOf } from './asked.ts';
import { createDefinitions } from './definitions.ts';
import { createJudge } from './judge.ts';
import { createOneWay } from './one-way.ts';
import { createPassages, digestOfMessage } from './passages.ts';
import type { GuardedPorts } from './ports.ts';
import {
  exchangeOf,
  malformed,
  notRecorded,
  outcomeNotRecorded,
  refusalOf,
  upstreamFailed,
  type Refusal,
} from './refusals.ts';
import { createResponses } from './responses.ts';
import { createResults } from './results.ts';
import { createSeals } from './seals.ts';
import { createSessionVerbs } from './session-verbs.ts';
import { asFailure, createStreams, discard, type Stream } from './streams.ts';

/** `upstream` already speaks the client's era. What comes out takes and gives sealed handles only. */
export function guardedServer(upstream: ModelContextServer, ports: GuardedPorts): ModelContextServer {
  const { route, metrics, monotonic, onProblem } = ports;
  const judge = createJudge(ports);
  const seals = createSeals(ports.handles, route);
  const definitions = createDefinitions(upstream, ports);
  const results = createResults({ route, judge, seals, definitions, metrics });
  const passages = createPassages(ports);
  const streams = createStreams({
    ...{ upstream, judge, seals, results, definitions, passages },
    ...{ route, metrics, monotonic, onProblem },
  });
  const admissions = createAdmissions({
    ...{ judge, seals, definitions, route, metrics, onProblem },
    policyRevision: ports.policyRevision,
  });
  const oneWay = createOneWay(upstream, admissions.recorded, ports);
  const respond = createResponses({ route, admissions, seals, passages, oneWay });
  const sessionVerbs = createSessionVerbs({
    ...{ upstream, admissions, judge, seals, passages, streams, oneWay, route, onProblem },
  });

  async function request(call: MessageCall, message: Request): Promise<Exchange> {
    const { revision, signal } = call;
    const asked = askedOf(route, message);
    const passage = passages(call, asked, call.requestDigest ?? digestOfMessage(message));
    const refuse = (refusal: Refusal): Exchange =>
      exchangeOf(refusal.status ?? 200, refusalOf(message.id, revision, message.method, refusal));

    const admission = await admissions.ofMessage(call, message, asked);
    const refusal = await admissions.recorded(passage, admission);
    if (refusal !== undefined) return refuse(refusal);
    if (admission.forward === undefined) return refuse(notRecorded(undefined));
    passage.endsWithClient(signal, asked.isReadOnly ? 'failure' : 'unknown', 'cancelled');
    let exchange: Exchange;
    try {
      exchange = await upstream.send(evidenced(passage, admission));
    } catch (error) {
      const failure = asFailure(error, onProblem);
      const mayHaveRun = !failure.isWithoutEffect && !asked.isReadOnly;
      const isRecorded = await passage.concluded(mayHaveRun ? 'unknown' : 'failure', failure.problem);
      return refuse(isRecorded ? upstreamFailed(route, failure, mayHaveRun) : outcomeNotRecorded);
    }
    return answer(
      {
        call,
        request: message,
        asked,
        passage,
        sessionId: exchange.sessionId ?? admission.forward.sessionId,
      },
      exchange,
      refuse,
    );
  }

  async function answer(
    stream: Stream & { readonly request: Pick<Request, 'method'> },
    exchange: Exchange,
    refuse: (refusal: Refusal) => Exchange,
  ): Promise<Exchange> {
    const { call, passage, asked, request } = stream;
    const { sessionId: opened, ...plain } = exchange;
    if (exchange.kind === 'none') {
      await discard(exchange);
      if (exchange.status >= 400) {
        const isRecorded = await passage.concluded('failure', `http_${exchange.status}`);
        return isRecorded ? plain : refuse(outcomeNotRecorded);
      }
      metrics.violation('malformed_result');
      await passage.concluded(asked.isReadOnly ? 'failure' : 'unknown', 'malformed');
      return refuse(malformed(route, 'there is none'));
    }
    const messages = streams(stream, exchange);
    if (opened === undefined || request.method !== 'initialize') return { ...plain, messages };
    try {
      return { ...plain, messages, sessionId: await seals.session(call, opened) };
    } catch (error) {
      await discard(exchange);
      await passage.concluded('failure', 'not_sealed');
      return refuse(notRecorded(error));
    }
  }

  async function notify(call: MessageCall, message: Notification): Promise<Exchange> {
    const asked = askedOf(route, message);
    const passage = passages(call, asked, call.requestDigest ?? digestOfMessage(message));
    return oneWay.pass(passage, await admissions.ofMessage(call, message, asked));
  }

  return {
    send(call) {
      const { message } = call;
      if (isRequest(message)) return request(call, message);
      return isNotification(message) ? notify(call, message) : respond(call, message);
    },
    ...sessionVerbs,
  };
}
