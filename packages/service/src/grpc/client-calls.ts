/** The calls of a client: protobuf-es messages in and out, `SallyportError` when they fail. */
import { Metadata, status as grpcStatus, type Client, type ServiceError } from '@grpc/grpc-js';
import {
  create,
  fromBinary,
  toBinary,
  type DescMethod,
  type Message,
  type MessageInitShape,
  type DescMessage,
} from '@bufbuild/protobuf';
import { SallyportError, cancelled, unavailable } from '../errors/index.ts';
import { formatTraceparent, type Tracer } from '../telemetry/index.ts';
import { asBuffer, asBytes } from './bytes.ts';
import { methodName } from './access.ts';
import type { Instruments } from './instruments.ts';
import { errorOf } from './status.ts';

export interface CallOptions {
  /** Overrides the client's; for a server stream: how long it may last (default: the server's bound). */
  readonly deadlineMs?: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
}

export interface CallerParts {
  readonly client: Client;
  readonly deadlineMs: number;
  readonly instruments: Instruments;
  readonly tracer: Tracer | undefined;
  /** Why the server was refused by name, if it was. */
  readonly refused: () => string | undefined;
  /** `key-service at 127.0.0.1:8446`. */
  readonly peerName: string;
}

type Request = MessageInitShape<DescMessage>;

export function unaryCall(parts: CallerParts, method: DescMethod) {
  const name = methodName(method);
  return (request: Request, options: CallOptions = {}): Promise<Message> =>
    measured(parts, name, async () => {
      const body = toBinary(method.input, create(method.input, request));
      options.signal?.throwIfAborted();
      const reply = await new Promise<Uint8Array>((resolve, reject) => {
        const call = parts.client.makeUnaryRequest<Uint8Array, Uint8Array>(
          `/${name}`,
          asBuffer,
          asBytes,
          body,
          metadataOf(parts),
          { deadline: Date.now() + (options.deadlineMs ?? parts.deadlineMs) },
          (error, value) => {
            options.signal?.removeEventListener('abort', abort);
            if (error !== null) reject(error);
            else resolve(value ?? new Uint8Array());
          },
        );
        const abort = () => call.cancel();
        options.signal?.addEventListener('abort', abort, { once: true });
      });
      return fromBinary(method.output, reply);
    });
}

export function serverStreamCall(parts: CallerParts, method: DescMethod) {
  const name = methodName(method);
  return async function* (
    request: Request,
    options: CallOptions = {},
  ): AsyncGenerator<Message, void, undefined> {
    const body = toBinary(method.input, create(method.input, request));
    options.signal?.throwIfAborted();
    const call = parts.client.makeServerStreamRequest<Uint8Array, Uint8Array>(
      `/${name}`,
      asBuffer,
      asBytes,
      body,
      metadataOf(parts),
      options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs },
    );
    const abort = () => call.cancel();
    options.signal?.addEventListener('abort', abort, { once: true });
    const startedAt = performance.now();
    let code: number = grpcStatus.OK;
    try {
      for await (const bytes of call as AsyncIterable<Uint8Array>) yield fromBinary(method.output, bytes);
    } catch (thrown) {
      code = codeOf(thrown);
      throw sallyportErrorOf(parts, name, thrown);
    } finally {
      options.signal?.removeEventListener('abort', abort);
      // Also when whoever iterates stops early.
      call.cancel();
      parts.instruments.call('client', name, code, performance.now() - startedAt);
    }
  };
}

async function measured<T>(parts: CallerParts, name: string, run: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  let code: number = grpcStatus.OK;
  const traced = async (): Promise<T> => {
    try {
      return await run();
    } catch (thrown) {
      code = codeOf(thrown);
      throw sallyportErrorOf(parts, name, thrown);
    }
  };
  try {
    if (parts.tracer === undefined) return await traced();
    return await parts.tracer.span(name, { 'rpc.system': 'grpc', 'rpc.method': name }, traced, {
      kind: 'client',
    });
  } finally {
    parts.instruments.call('client', name, code, performance.now() - startedAt);
  }
}

/** Made inside the client's span, so that the server's becomes its child. */
function metadataOf(parts: CallerParts): Metadata {
  const metadata = new Metadata();
  const active = parts.tracer?.active();
  if (active !== undefined) metadata.set('traceparent', formatTraceparent(active));
  return metadata;
}

export function notReady(parts: CallerParts, timeoutMs: number, cause: Error): SallyportError {
  const why = parts.refused() ?? `no connection within ${timeoutMs} ms`;
  return unavailable(`${parts.peerName} is not ready: ${why}`, { cause });
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return (
    thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'number' && 'details' in thrown
  );
}

function codeOf(thrown: unknown): number {
  return isServiceError(thrown) ? thrown.code : grpcStatus.UNKNOWN;
}

function sallyportErrorOf(parts: CallerParts, name: string, thrown: unknown): unknown {
  if (thrown instanceof SallyportError) return thrown;
  if (isServiceError(thrown)) {
    const error = errorOf(thrown, `${name} (${parts.peerName})`);
    const refusal =
      error.reason === 'unavailable' && error.correlationId === undefined ? parts.refused() : undefined;
    return refusal === undefined
      ? error
      : unavailable(`${parts.peerName} is not whom we expect: ${refusal}`, { cause: error });
  }
  if (thrown instanceof DOMException) return cancelled(`${name} was given up`, { cause: thrown });
  return new SallyportError(
    'internal',
    `${name} (${parts.peerName}) could not be called or answered with nonsense`,
    { cause: thrown },
  );
}
