/** The ways in: a connection that carries any number of sessions, and one session with a connection of its own. */
import type { Carrier, CarrierEvents } from './carrier.ts';
import type { Channel } from './channel.ts';
import { clientCredential, type Credential } from './credential.ts';
import { ChannelError } from './errors.ts';
import { parseRoots, verifyGatewayChain } from './gateway-chain.ts';
import { openGrpcCarrier } from './grpc-carrier.ts';
import { Multiplexer, type SessionRequest } from './multiplexer.ts';
import { inSpan, type ClientTracer } from './tracing.ts';

export type ConnectionOptions = {
  /** `localhost:8444`. */
  readonly address: string;
  readonly trust: {
    /** PEM of the trust roots: for TLS and for the gateway's proof inside the channel. */
    readonly caPem: string;
    readonly trustDomain: string;
  };
  /** For the connection. Default 10,000. */
  readonly timeoutMs?: number;
  /** Another carrier than gRPC. */
  readonly openCarrierForTesting?: (events: CarrierEvents) => Carrier;
};

export type OpenOptions = {
  readonly credential: Credential;
  /** From the call to the open session, connection included. Default 10,000. */
  readonly timeoutMs?: number;
  /** Messages per frame when they queue up; 1 to 256. Default 32. */
  readonly batch?: number;
  /** Requests that may wait to leave before the next is refused with `busy`. Default 1024. */
  readonly maxWaiting?: number;
  /** Refuse a session for anybody else, e.g. `user:alice`. */
  readonly expectedPrincipal?: string;
  /** `required` refuses a session that is not tied to its TLS connection. Default `preferred`. */
  readonly channelBinding?: 'required' | 'preferred';
  readonly signal?: AbortSignal;
  /** Gets a span for each request, and with `connect` one for the opening, which the gateway continues. */
  readonly tracer?: ClientTracer;
};

export type ConnectOptions = ConnectionOptions & OpenOptions;

const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_BATCH = 32;
const DEFAULT_MAX_WAITING = 1024;

/** One connection to a gateway, for any number of sessions. Made by `openConnection`. */
export class Connection implements AsyncDisposable {
  readonly #multiplexer: Multiplexer;
  readonly #prepare: (options: OpenOptions) => SessionRequest;

  /** Made by `openConnection`. */
  constructor(multiplexer: Multiplexer, prepare: (options: OpenOptions) => SessionRequest) {
    this.#multiplexer = multiplexer;
    this.#prepare = prepare;
  }

  /** Why the connection is over, and all of its sessions with it; undefined while it is not. */
  get closedBy(): ChannelError | undefined {
    return this.#multiplexer.closedBy;
  }

  /** `sessions`: open or on their way. `strays`: frames of the gateway that belonged to none; they are dropped. */
  get counts(): { readonly sessions: number; readonly strays: number } {
    return { sessions: this.#multiplexer.size, strays: this.#multiplexer.strays };
  }

  /**
   * Resolves with a session of its own, whose end leaves the connection and its other sessions alone. Rejects as
   * `connect` does; with the reason of its end when the connection is over.
   */
  async open(options: OpenOptions): Promise<Channel> {
    return this.#multiplexer.open(this.#prepare(options));
  }

  /** Ends all sessions, tells the gateway, and ends the connection. Idempotent. */
  async close(): Promise<void> {
    await this.#multiplexer.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Begins to connect; `open` waits for it and tells when it fails. Throws `TypeError` or `RangeError` for options that
 * cannot be right.
 */
export function openConnection(options: ConnectionOptions): Connection {
  const prepare = preparation(options);
  return new Connection(multiplexer(options, false), prepare);
}

/**
 * Resolves with an open session on a connection of its own, which ends with it. Rejects with `ChannelError` (`handshake`,
 * `connection`, `timeout`, `closed`), and with `TypeError` or `RangeError` for options that cannot be right. The
 * credential leaves this process only after the gateway has proved itself.
 */
export async function connect(options: ConnectOptions): Promise<Channel> {
  const request = preparation(options)(options);
  const givenUp = new ChannelError('closed', 'closed', 'connecting was given up');
  if (options.signal?.aborted === true) throw givenUp;
  const span = options.tracer?.startSession();
  const connection = multiplexer(options, true, span?.traceparent);
  try {
    return await inSpan(span, () => connection.open(request));
  } catch (error) {
    connection.end(givenUp);
    throw error;
  }
}

function multiplexer(options: ConnectionOptions, isOwned: boolean, traceparent?: string): Multiplexer {
  const { address, trust, openCarrierForTesting } = options;
  const { caPem, trustDomain } = trust;
  const timeoutMs = timeoutOf(options);
  const expectedGateway = gatewayOf(trustDomain);
  const openGrpc = (events: CarrierEvents): Carrier =>
    openGrpcCarrier({ address, caPem, trustDomain, expectedGateway, timeoutMs, traceparent }, events);
  return new Multiplexer({ address, openCarrier: openCarrierForTesting ?? openGrpc, timeoutMs, isOwned });
}

/** What is the same for every session of a connection is read once. */
function preparation({ trust }: ConnectionOptions): (options: OpenOptions) => SessionRequest {
  const { trustDomain, caPem } = trust;
  const roots = parseRoots(caPem);
  const clock = steadyClock();
  return (options) => ({
    timeoutMs: timeoutOf(options),
    signal: options.signal,
    options: {
      handshake: {
        credential: clientCredential(options.credential, trustDomain),
        trustDomain,
        expectedGateway: gatewayOf(trustDomain),
        verifyGatewayChain: (chainDer, atMs) => verifyGatewayChain(roots, chainDer, atMs),
        clock,
        expectedPrincipal: options.expectedPrincipal,
        isChannelBindingRequired: options.channelBinding === 'required',
      },
      channel: {
        batch: inRange('batch', options.batch ?? DEFAULT_BATCH, 256),
        maxWaiting: inRange('maxWaiting', options.maxWaiting ?? DEFAULT_MAX_WAITING, 2 ** 20),
        tracer: options.tracer,
      },
    },
  });
}

const gatewayOf = (trustDomain: string): string => `spiffe://${trustDomain}/svc/gateway`;

function timeoutOf({ timeoutMs = DEFAULT_TIMEOUT_MS }: { readonly timeoutMs?: number }): number {
  return inRange('timeoutMs', timeoutMs, 2 ** 31 - 1);
}

function inRange(name: string, value: number, most: number): number {
  if (!Number.isInteger(value) || value < 1 || value > most) throw new RangeError(`${name} is 1 to ${most}`);
  return value;
}

/** Whole milliseconds since the epoch that never jump: civil time once, then the monotonic clock. */
function steadyClock(): () => number {
  const base = Date.now() - performance.now();
  return () => Math.round(base + performance.now());
}
