/**
 * A span for each request whose caller asked for a trace, in the header or in `_meta` (SEP-414). It is advice: it chooses
 * what is looked at, within bounds, and never what is done.
 */
import { metaMember, type Message } from '@sallyport/model-context';
import {
  formatTraceparent,
  parseTraceparent,
  type Attributes,
  type OpenSpan,
  type Tracer,
} from '@sallyport/service/telemetry';
import { tokenBucket } from '../../domain/token-bucket.ts';

export type RequestTrace = {
  /** What the layers below go on with. */
  readonly traceparent: string | undefined;
  end(attributes: Attributes, failure?: string): void;
};

/** Of all callers together. */
const LIMITS = { perSecond: 200, burst: 400 } as const;

export type RequestTraces = (
  said: { readonly header: string | undefined; readonly message: Message | undefined },
  attributes: Attributes,
  startedAtMs: number,
) => RequestTrace;

/**
 * Begins at most 200 spans a second; without one, `end` does nothing and the caller's own `traceparent`, if it is one,
 * goes on.
 */
export function requestTraces(tracer: Tracer, monotonic: () => number): RequestTraces {
  const bucket = tokenBucket(LIMITS, monotonic);
  return ({ header, message }, attributes, startedAtMs) => {
    const inMeta = message === undefined ? undefined : metaMember(message, 'traceparent');
    const given = [header, typeof inMeta === 'string' ? inMeta : undefined].find(
      (text) => parseTraceparent(text) !== undefined,
    );
    const untraced: RequestTrace = { traceparent: given, end: () => undefined };
    if (!tracer.isRecording) return untraced;
    const asked = parseTraceparent(given);
    const parent = asked?.sampled === true ? asked : null;
    if (parent === null && (asked !== undefined || tracer.newTraceShare <= 0)) return untraced;
    if (!bucket.take()) return untraced;
    return traced(tracer.start('door.request', attributes, { kind: 'server', parent, startedAtMs }));
  };
}

function traced(span: OpenSpan): RequestTrace {
  return {
    traceparent: formatTraceparent(span.context),
    end(attributes, failure) {
      span.set(attributes);
      if (failure !== undefined) span.fail(failure);
      span.end();
    },
  };
}
