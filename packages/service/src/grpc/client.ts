/** A typed client of one service over mutual TLS 1.3 that knows whom it expects at the other end. */
import type {
  DescMessage,
  DescMethod,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import type { Identity, ServiceName, Trust } from '../identity/index.ts';
import type { Metrics } from '../metrics/index.ts';
import type { Tracer } from '../telemetry/index.ts';

export interface GrpcClientOptions {
  /** `127.0.0.1:8446`. */
  readonly address: string;
  /** Compared with the SPIFFE name in the server's certificate. */
  readonly expectedServer: ServiceName;
  /** What we prove ourselves with; leave out only for a service that is for anyone. */
  readonly identity?: Identity;
  readonly trust: Trust;
  /** Default deadline of a unary call. */
  readonly deadlineMs: number;
  /** Default 4 MiB. */
  readonly maxMessageBytes?: number;
  readonly metrics?: Metrics;
  readonly tracer?: Tracer;
}

export interface CallOptions {
  /** Overrides the client's; for a server stream: how long it may last (default: the server's bound). */
  readonly deadlineMs?: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
}

interface Method {
  readonly input: DescMessage;
  readonly output: DescMessage;
  readonly methodKind: DescMethod['methodKind'];
}

type CallOf<M extends Method> = M['methodKind'] extends 'unary'
  ? (request: MessageInitShape<M['input']>, options?: CallOptions) => Promise<MessageShape<M['output']>>
  : M['methodKind'] extends 'server_streaming'
    ? (
        request: MessageInitShape<M['input']>,
        options?: CallOptions,
      ) => AsyncIterable<MessageShape<M['output']>>
    : never;

/** The methods of a service. Take `Pick<ServiceCalls<typeof PolicyService>, 'decide'>` as a port. */
export type ServiceCalls<S extends DescService> = {
  readonly [K in keyof S['method']]: CallOf<S['method'][K]>;
};

/**
 * Calls reject with `SallyportError`: the server's own reason when it sent one; `unavailable` (retryable) when it could
 * not be reached or is not who was expected; `deadline_exceeded`; `cancelled`; else `internal`.
 */
export type GrpcClient<S extends DescService> = ServiceCalls<S> &
  AsyncDisposable & {
    /** Resolves once connected to the expected server; rejects with `unavailable` after `timeoutMs`. */
    waitForReady(timeoutMs: number): Promise<void>;
    /** Cuts what is under way. Idempotent. */
    close(): Promise<void>;
  };

/** Connects lazily. Throws `TypeError` for options that cannot be right. */
export function grpcClient<S extends DescService>(_service: S, _options: GrpcClientOptions): GrpcClient<S> {
  throw new Error('in progress');
}
