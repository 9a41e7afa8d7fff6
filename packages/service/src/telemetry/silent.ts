/** A tracer that records nothing: where a service was given none, and in tests that are about something else. */
import type { OpenSpan, Tracer } from './port.ts';

const nothing = (): void => undefined;
const span: OpenSpan = {
  context: { traceId: '0'.repeat(31) + '1', spanId: '0'.repeat(15) + '1', sampled: false },
  set: nothing,
  event: nothing,
  fail: nothing,
  end: nothing,
};

export const silentTracer: Tracer = {
  isRecording: false,
  newTraceShare: 0,
  nowMs: () => 0,
  span: (_name, _attributes, fn) => fn(span),
  start: () => span,
  active: () => undefined,
};
