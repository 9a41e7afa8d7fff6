/**
 * A handshake as a trace: what auth-service and key-service are asked hangs below it. Its parent is what the client named
 * for the whole connection, within a bound (docs/adr/0070); the steps of a handshake bear no trace field of their own.
 */
import { parseTraceparent, type SpanOptions, type Tracer } from '@sallyport/service/telemetry';
import { tokenBucket } from '../domain/token-bucket.ts';
import type { SessionOpening } from './open-session.ts';

const FOLLOWED = { perSecond: 10, burst: 20 } as const;

/** `traceparent`: as the connection came with, unverified. */
export type TraceHandshake = (opening: SessionOpening, traceparent: string | undefined) => SessionOpening;

export function createHandshakeTraces(tracer: Tracer, monotonic: () => number): TraceHandshake {
  if (!tracer.isRecording) return (opening) => opening;
  const followed = tokenBucket(FOLLOWED, monotonic);

  return (opening, traceparent) => {
    const asked = parseTraceparent(traceparent);
    const parent = asked?.sampled === true && followed.take() ? asked : null;
    const options: SpanOptions = { kind: 'server', parent };
    return {
      ...opening,
      hello: (frame) =>
        tracer.span(
          'gateway.hello',
          {},
          async (span) => {
            const answer = await opening.hello(frame);
            span.set({ 'sallyport.session_id': opening.sessionId() });
            if (answer.kind === 'refused') span.fail(answer.cause);
            return answer;
          },
          options,
        ),
      authenticate: (frame) =>
        tracer.span(
          'gateway.authenticate',
          { 'sallyport.session_id': opening.sessionId() },
          async (span) => {
            const result = await opening.authenticate(frame);
            if (result.kind === 'refused') span.fail(result.cause);
            return result;
          },
          options,
        ),
    };
  };
}
