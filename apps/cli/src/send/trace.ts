/**
 * `send --trace`: one trace from this command through everything that comes of it, up to the checkpoint
 * (docs/observability.md). Its spans go where the running system's go, when a collector is configured; without one the
 * trace id is all that there is here.
 */
import type { ClientSpan, ClientTracer } from '@sallyport/client';
import { loadConfig } from '@sallyport/service/config';
import {
  createTelemetry,
  formatTraceparent,
  openTelemetry,
  parseTraceparent,
  type Attributes,
  type TraceContext,
} from '@sallyport/service/telemetry';
import type { CommandContext } from '../commands/context.ts';
import { embeddedConfig } from '../config.ts';
import { UsageError } from '../exit.ts';
import { readIfPresent } from '../state/files.ts';

export type SendTrace = AsyncDisposable & {
  /** Hex. */
  readonly traceId: string;
  readonly tracer: ClientTracer;
};

/** Of a file, so many lines are traced: a gateway follows no more of one session at once. */
const MAX_REQUESTS = 40;
const SERVICE = 'sallyport-cli';

/** Throws `UsageError` for a `traceparent` that is none, and what a configuration that cannot be read throws. */
export async function openSendTrace(
  context: CommandContext,
  destination: string,
  traceparent: string | undefined,
): Promise<SendTrace> {
  const parent = traceparent === undefined ? undefined : parentOf(traceparent);
  const config = await telemetryOf(context);
  const log = { warn: (text: string) => context.output.note(text) };
  const telemetry =
    config.otlpUrl === undefined
      ? createTelemetry({ service: SERVICE, exporter: { kind: 'memory' } })
      : await openTelemetry({ service: SERVICE, config, log });
  const { tracer } = telemetry;
  const root = tracer.start(
    'sallyport send',
    { 'messaging.destination.name': destination },
    parent === undefined ? { parent: null, isChosen: true } : { parent },
  );
  let requests = 0;

  function begin(name: string, attributes: Attributes): ClientSpan {
    const span = tracer.start(name, attributes, { kind: 'client', parent: root.context });
    return {
      traceparent: formatTraceparent(span.context),
      end({ correlation, failure }) {
        span.set({ 'sallyport.correlation': correlation });
        if (failure !== undefined) span.fail(failure);
        span.end();
      },
    };
  }

  return {
    traceId: root.context.traceId,
    tracer: {
      startSession: () => begin('session.open', {}),
      startRequest(request) {
        requests += 1;
        if (requests > MAX_REQUESTS) return undefined;
        return begin('message.send', {
          'messaging.destination.name': request.destination,
          'sallyport.session_id': request.sessionId,
        });
      },
    },
    async [Symbol.asyncDispose]() {
      root.end();
      await telemetry.flush();
      await telemetry.close();
    },
  };
}

/** Asking for a trace is asking for it to be recorded, whatever the flag says. */
function parentOf(traceparent: string): TraceContext {
  const parent = parseTraceparent(traceparent);
  if (parent === undefined) {
    throw new UsageError(
      '--traceparent is a W3C trace context: 00-<32 hex digits>-<16 hex digits>-01, not all zero.',
    );
  }
  return { ...parent, sampled: true };
}

async function telemetryOf({ home, env }: CommandContext) {
  const file = home.configFile;
  const isPresent = (await readIfPresent(file)) !== undefined;
  return loadConfig(embeddedConfig, { ...(isPresent ? { file } : {}), env }).telemetry;
}
