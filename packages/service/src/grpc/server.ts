/** The gRPC edge of a service: mutual TLS 1.3, one caller per connection, default deny, bounded in every direction. */
import { setTimeout as delay } from 'node:timers/promises';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { DescMethod } from '@bufbuild/protobuf';
import type { Clock } from '../clock/index.ts';
import type { Identity, Trust } from '../identity/index.ts';
import type { Log } from '../log/index.ts';
import type { Metrics } from '../metrics/index.ts';
import type { Tracer } from '../telemetry/index.ts';
import { accessOf, methodName } from './access.ts';
import { serverStreamAnswerer, unaryAnswerer, type AnyServerStream, type AnyUnary } from './answer.ts';
import { asBuffer, asBytes } from './bytes.ts';
import { listenForConnections } from './connections.ts';
import type { Edge, ServedMethod } from './edge.ts';
import { isFrameMessage } from './frame-codec.ts';
import type { FrameStreamHandler } from './frame-stream.ts';
import { closing, frameAnswerer } from './frames.ts';
import { createHealth } from './health.ts';
import type { ServiceImplementation } from './implement.ts';
import { instrumentsOf } from './instruments.ts';
import { limitsOf, type GrpcLimits } from './limits.ts';
import type { AuthorizePrincipal, OnDecision, OnOutcome } from './ports.ts';

export interface GrpcServerOptions {
  readonly identity: Identity;
  readonly trust: Trust;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly services: readonly ServiceImplementation[];
  /** Default `required`. `none` is refused at start-up for services with a method that is not for anyone. */
  readonly clientCertificate?: 'required' | 'none';
  /** Needed at start-up as soon as one method is for principals. */
  readonly authorizePrincipal?: AuthorizePrincipal;
  /** Needed together with `authorizePrincipal`. */
  readonly onDecision?: OnDecision;
  readonly onOutcome?: OnOutcome;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Metrics;
  readonly tracer?: Tracer;
  readonly limits?: Partial<GrpcLimits>;
}

export interface GrpcServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** `127.0.0.1:8446`. */
  readonly address: string;
  /** What grpc.health.v1 answers: starts true; set false before a drain. */
  setServing(serving: boolean): void;
  /** Takes no new calls, lets those under way end within `graceMs` (default 5000), then cuts. Idempotent. */
  close(graceMs?: number): Promise<void>;
}

/** Listens, or throws `TypeError` naming what in the options or the protos does not fit, or the listener's error. */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const { clientCertificate = 'required', host = '127.0.0.1', log } = options;
  const limits = limitsOf(options.limits);
  const instruments = instrumentsOf(options.metrics);
  const health = createHealth(options.services.map((each) => each.service.typeName));
  const methods = servedMethods(
    clientCertificate === 'required' ? [...options.services, health.implementation] : options.services,
  );
  requirePorts(options, clientCertificate, methods);

  const server = new Server({
    'grpc.max_receive_message_length': limits.maxMessageBytes,
    'grpc.max_send_message_length': limits.maxMessageBytes,
    'grpc.max_concurrent_streams': limits.maxConcurrentStreams,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.max_connection_idle_ms': IDLE_MS,
    'grpc-node.max_session_memory': SESSION_MEMORY_MB,
    'grpc.enable_channelz': 0,
  });
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const connections = await listenForConnections({
    identity: options.identity,
    trust: options.trust,
    host,
    port: options.port,
    clientCertificate,
    maxConnections: limits.maxConnections,
    handshakeTimeoutMs: limits.handshakeTimeoutMs,
    onConnection: (socket) => injector.injectConnection(socket),
    onCount: instruments.connections,
    onRefused(cause, error) {
      instruments.refused(cause);
      log.debug('a connection was refused', { cause, code: codeOf(error) });
    },
  });
  const edge: Edge = {
    clock: options.clock,
    log,
    tracer: options.tracer,
    instruments,
    limits,
    connectionOf: connections.get,
    authorizePrincipal: options.authorizePrincipal,
    onDecision: options.onDecision,
    onOutcome: options.onOutcome,
    calls: new Set(),
  };
  for (const method of methods) register(server, edge, method);

  let closed: Promise<void> | undefined;
  const close = (graceMs = 5_000): Promise<void> => {
    closed ??= (async () => {
      health.set(false);
      connections.stopListening();
      // GOAWAY: those under way go on, nothing new begins.
      injector.drain(graceMs + FORCE_MS);
      const until = (ms: number, done: () => boolean) => waitFor(options.clock, ms, done);
      if (!(await until(graceMs, () => edge.calls.size === 0))) {
        for (const call of [...edge.calls]) call.abort(closing());
        await until(FORCE_MS, () => edge.calls.size === 0);
      }
      // Connections end by themselves when their last status has left.
      await until(FORCE_MS, () => connections.count() === 0);
      server.forceShutdown();
      connections.destroy();
    })();
    return closed;
  };
  const { port } = connections;
  return {
    host,
    port,
    address: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
    setServing: health.set,
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

const KEEPALIVE_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
const IDLE_MS = 5 * 60_000;
const SESSION_MEMORY_MB = 64;
/** After the grace period: what is left hears why, and has this long. */
const FORCE_MS = 250;

interface Registration extends ServedMethod {
  readonly descriptor: DescMethod;
  readonly handler: unknown;
}

/** Throws `TypeError` for a method without access, without a handler, or of a kind that is not served. */
function servedMethods(services: readonly ServiceImplementation[]): Registration[] {
  return services.flatMap(({ service, handlers, resources, validate }) =>
    service.methods.map((descriptor) => {
      const name = methodName(descriptor);
      const handler = handlers[descriptor.localName];
      if (typeof handler !== 'function') throw new TypeError(`${name} has no handler`);
      if (descriptor.methodKind === 'client_streaming')
        throw new TypeError(`${name}: no server serves client streams`);
      const access = accessOf(descriptor);
      if (descriptor.methodKind === 'bidi_streaming') {
        if (!isFrameMessage(descriptor.input) || !isFrameMessage(descriptor.output)) {
          throw new TypeError(`${name} streams something else than frames`);
        }
        if (!access.anyone) throw new TypeError(`${name}: a stream of frames is for anyone`);
      }
      return {
        descriptor,
        name,
        access,
        handler,
        input: descriptor.input,
        output: descriptor.output,
        resourceOf: resources[descriptor.localName],
        validate: validate[descriptor.localName],
      };
    }),
  );
}

function requirePorts(
  options: GrpcServerOptions,
  clientCertificate: 'required' | 'none',
  methods: readonly Registration[],
): void {
  const principals = methods.find((method) => method.access.principalAction !== undefined);
  if (
    principals !== undefined &&
    (options.authorizePrincipal === undefined || options.onDecision === undefined)
  ) {
    throw new TypeError(
      `${principals.name} is for principals: authorizePrincipal and onDecision are missing`,
    );
  }
  if (clientCertificate === 'required') return;
  const closedMethod = methods.find((method) => method.descriptor.methodKind !== 'bidi_streaming');
  if (closedMethod !== undefined) {
    throw new TypeError(
      `${closedMethod.name} needs client certificates; without them only frames are served`,
    );
  }
}

function register(server: Server, edge: Edge, method: Registration): void {
  const { descriptor, handler } = method;
  const [run, type] =
    descriptor.methodKind === 'unary'
      ? [unaryAnswerer(edge, method, handler as AnyUnary), 'unary']
      : descriptor.methodKind === 'server_streaming'
        ? [serverStreamAnswerer(edge, method, handler as AnyServerStream), 'serverStream']
        : [frameAnswerer(edge, method, handler as FrameStreamHandler), 'bidi'];
  // Bytes pass as they are: what they mean is decided after the caller is known.
  const added = server.register<Uint8Array, Uint8Array>(`/${method.name}`, run, asBuffer, asBytes, type);
  if (!added) throw new TypeError(`${method.name} is implemented twice`);
}

/** Whether `done` became true within `ms`. */
async function waitFor(clock: Clock, ms: number, done: () => boolean): Promise<boolean> {
  const end = clock.monotonic() + ms;
  while (!done()) {
    if (clock.monotonic() >= end) return false;
    await delay(5);
  }
  return true;
}

function codeOf(error: Error | undefined): string | undefined {
  return error !== undefined && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
