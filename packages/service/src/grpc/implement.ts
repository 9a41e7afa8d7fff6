/** A service and the functions that answer it, checked against its descriptor. */
import type {
  DescMessage,
  DescMethod,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import type { Caller } from '../identity/index.ts';
import type { FrameStreamHandler } from './frame-stream.ts';
import type { Resource, Verdict } from './ports.ts';

/** What a handler knows about the call besides its request. */
export interface CallContext {
  readonly caller: Caller;
  /** Milliseconds since the epoch. */
  readonly deadline: number;
  /** Aborted at the deadline, when the caller goes away, and at shutdown. Hand it on to whatever takes time. */
  readonly signal: AbortSignal;
  /** `sallyport.key.v1.KeyService/RotateKey`. */
  readonly method: string;
  readonly peerAddress: string;
  /** Hex; names this call in logs, error details and audit events. */
  readonly correlationId: string;
  /** What policy said, where it was asked. */
  readonly verdict: Verdict | undefined;
}

export type UnaryHandler<I extends DescMessage, O extends DescMessage> = (
  request: MessageShape<I>,
  context: CallContext,
) => Promise<MessageInitShape<O>>;

/** Usually an async generator. Its next value is asked for only when the transport took the one before. */
export type ServerStreamHandler<I extends DescMessage, O extends DescMessage> = (
  request: MessageShape<I>,
  context: CallContext,
) => AsyncIterable<MessageInitShape<O>>;

interface Method {
  readonly input: DescMessage;
  readonly output: DescMessage;
  readonly methodKind: DescMethod['methodKind'];
}

export type HandlerOf<M extends Method> = M['methodKind'] extends 'unary'
  ? UnaryHandler<M['input'], M['output']>
  : M['methodKind'] extends 'server_streaming'
    ? ServerStreamHandler<M['input'], M['output']>
    : M['methodKind'] extends 'bidi_streaming'
      ? FrameStreamHandler
      : never;

/** One handler per method, none missing. */
export type Handlers<S extends DescService> = {
  readonly [K in keyof S['method']]: HandlerOf<S['method'][K]>;
};

type PerRequest<S extends DescService, Result> = {
  readonly [K in keyof S['method']]?: (request: MessageShape<S['method'][K]['input']>) => Result;
};

export interface ImplementOptions<S extends DescService> {
  /** What policy is asked about, per method. Default: kind `method`, name `sallyport.key.v1.KeyService/RotateKey`. */
  readonly resources?: PerRequest<S, Resource>;
  /** Run when the call is admitted, before the handler; throws `SallyportError` `invalid_argument`. */
  readonly validate?: PerRequest<S, void>;
}

/** A service ready for `startGrpcServer`. */
export interface ServiceImplementation {
  readonly service: DescService;
  readonly handlers: Readonly<Record<string, unknown>>;
  readonly resources: Readonly<Record<string, ((request: never) => Resource) | undefined>>;
  readonly validate: Readonly<Record<string, ((request: never) => void) | undefined>>;
}

/** Binds handlers to a service. */
export function implement<S extends DescService>(
  service: S,
  handlers: Handlers<S>,
  options: ImplementOptions<S> = {},
): ServiceImplementation {
  return {
    service,
    handlers,
    resources: options.resources ?? {},
    validate: options.validate ?? {},
  };
}
