/** A typed client of one service over mutual TLS 1.3 that knows whom it expects at the other end. */
import { isIP } from 'node:net';
import { Client } from '@grpc/grpc-js';
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
import { notReady, serverStreamCall, unaryCall, type CallOptions, type CallerParts } from './client-calls.ts';
import { expectServer } from './expected-server.ts';
import { instrumentsOf } from './instruments.ts';
import { DEFAULT_LIMITS } from './limits.ts';

export interface GrpcClientOptions {
  /** `127.0.0.1:8446`; or several addresses with commas between, of replicas: the first that answers is used. */
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
export type GrpcClient<S extends DescService> = ServiceCalls<S> & ClientConnection;

export interface ClientConnection extends AsyncDisposable {
  /** Resolves once connected to the expected server; rejects with `unavailable` after `timeoutMs`. */
  waitForReady(timeoutMs: number): Promise<void>;
  /** Cuts what is under way. Idempotent. */
  close(): Promise<void>;
}

/** Connects lazily. Throws `TypeError` for options that cannot be right. */
export function grpcClient<S extends DescService>(service: S, options: GrpcClientOptions): GrpcClient<S> {
  const { address, expectedServer, deadlineMs, maxMessageBytes = DEFAULT_LIMITS.maxMessageBytes } = options;
  if (!Number.isSafeInteger(deadlineMs) || deadlineMs < 1) {
    throw new TypeError(`deadlineMs is a whole number of at least 1, got ${String(deadlineMs)}`);
  }
  const peer = expectServer(options);
  const client = new Client(targetOf(address), peer.credentials, {
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': maxMessageBytes,
    // An address is no name that SNI may carry (RFC 6066 section 3); the certificate is compared by SPIFFE id anyway.
    'grpc.ssl_target_name_override': peer.serverName,
    'grpc.default_authority': peer.serverName,
    // Nothing from the environment or from DNS may change where we connect.
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    // A pooled connection could have been opened under another expectation.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 5_000,
    'grpc.enable_channelz': 0,
  });
  const caller: CallerParts = {
    client,
    deadlineMs,
    instruments: instrumentsOf(options.metrics),
    tracer: options.tracer,
    refused: () => peer.refusal(),
    peerName: `${expectedServer} at ${address}`,
  };
  const calls: Record<string, unknown> = {};
  for (const method of service.methods) {
    if (method.methodKind === 'unary') calls[method.localName] = unaryCall(caller, method);
    else if (method.methodKind === 'server_streaming')
      calls[method.localName] = serverStreamCall(caller, method);
  }
  const close = async (): Promise<void> => client.close();
  const own: ClientConnection = {
    waitForReady: (timeoutMs) =>
      new Promise((resolve, reject) => {
        client.waitForReady(new Date(Date.now() + timeoutMs), (error) => {
          if (error === undefined) resolve();
          else reject(notReady(caller, timeoutMs, error));
        });
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
  for (const name of Object.keys(own)) {
    if (name in calls)
      throw new TypeError(`${service.typeName} has a method ${name}, which clients need for themselves`);
  }
  return Object.assign(calls, own) as unknown as GrpcClient<S>;
}

/** In grpc-js's naming (gRPC "Name Resolution"): several addresses are one target only as IP addresses of one family. */
function targetOf(address: string): string {
  const parts = address.split(',');
  if (parts.length === 1) return address;
  const families = new Set(
    parts.map((part) => isIP(part.slice(0, part.lastIndexOf(':')).replace(/^\[(.*)\]$/u, '$1'))),
  );
  const [family = 0] = families;
  if (families.size !== 1 || family === 0)
    throw new TypeError('several addresses with commas between must be IP addresses of one family');
  return `ipv${family}:${address}`;
}

const KEEPALIVE_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
