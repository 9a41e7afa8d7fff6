/**
 * Traces of what this client does, by a tracer that its caller gives: one over OpenTelemetry, or none at all. The client
 * knows no telemetry of its own. Trace contexts travel unsigned; nobody decides anything on them.
 */
import type { ChannelError } from './errors.ts';

export type ClientSpan = {
  /** W3C `traceparent` of this span: what comes after it on the gateway's side hangs below it. */
  readonly traceparent: string;
  /** Called once. `failure`: the code of a `ChannelError`, absent when it went well. */
  end(outcome: { readonly correlation?: string; readonly failure?: string }): void;
};

export type ClientTracer = {
  /** A session is being opened, connection included; undefined when this is not traced. */
  startSession(): ClientSpan | undefined;
  /**
   * A request begins; undefined when this one is not traced, and then its `traceparent` goes as its caller gave it. Called
   * for every request, before it waits for room in a frame. `traceparent`: the caller's, to be the parent.
   */
  startRequest(request: {
    readonly destination: string;
    /** Hex. */
    readonly sessionId: string;
    readonly traceparent: string | undefined;
  }): ClientSpan | undefined;
};

/** `run` with the context that is to travel, inside `span` when there is one. */
export async function inSpan<T extends { readonly correlation?: string } | object>(
  span: ClientSpan | undefined,
  run: () => Promise<T>,
): Promise<T> {
  if (span === undefined) return run();
  try {
    const result = await run();
    span.end(
      'correlation' in result && result.correlation !== undefined ? { correlation: result.correlation } : {},
    );
    return result;
  } catch (error) {
    span.end({ failure: codeOf(error) });
    throw error;
  }
}

function codeOf(error: unknown): string {
  const { code } = error as Partial<Pick<ChannelError, 'code'>>;
  return code ?? 'error';
}
