/**
 * The ways in: a connection that carries any number of sessions, and one session with a connection of its own. Behind both is
 * one TCP connection after the other, as gateways come and go.
 */
import type { Carrier, CarrierEvents } from './carrier.ts';
import type { Channel } from './channel.ts';
import { Connector, type Dialled } from './connector.ts';
import { clientCredential, type Credential } from './credential.ts';
import { ChannelError } from './errors.ts';
import { parseRoots, verifyGatewayChain } from './gateway-chain.ts';
import { openGrpcCarrier } from './grpc-carrier.ts';
import type { OpeningOptions } from './opening.ts';
import type { ChannelState } from './request.ts';
import { Resumption, type ResumeOptions } from './resumption.ts';
import type { ResumeTrust } from './resuming.ts';
import { inSpan, type ClientTracer } from './tracing.ts';

export type ConnectionOptions = {
  /** `localhost:8444`. This, or `addresses`. */
  readonly address?: string;
  /** Several gateways of one deployment, tried in turn. */
  readonly addresses?: readonly string[];
  readonly trust: {
    /** PEM of the trust roots: for TLS and for the gateway's proof inside the channel. */
    readonly caPem: string;
    readonly trustDomain: string;
  };
  /** For the connection, all addresses together. Default 10,000. */
  readonly timeoutMs?: number;
  /** What is done when a connection is lost: sessions are resumed on the next. False: they end with it. */
  readonly resume?: ResumeOptions | false;
  /** Another carrier than gRPC. */
  readonly openCarrierForTesting?: (events: CarrierEvents, address: string) => Carrier;
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
  /** Told when the session is being resumed, is open again, or is over. Must not throw. */
  readonly onState?: (state: ChannelState) => void;
  readonly signal?: AbortSignal;
  /** Gets a span for each request, and with `connect` one for the opening, which the gateway continues. */
  readonly tracer?: ClientTracer;
};

export type ConnectOptions = ConnectionOptions & OpenOptions;

const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_BATCH = 32;
const DEFAULT_MAX_WAITING = 1024;
// The longest that setTimeout keeps.
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What the options of a connection come to. */
type Prepared = {
  readonly connector: Connector;
  readonly opening: (options: OpenOptions, dialled: Dialled) => OpeningOptions;
};

/** Gateways of one deployment, for any number of sessions. Made by `openConnection`. */
export class Connection implements AsyncDisposable {
  readonly #prepared: Prepared;

  /** Made by `openConnection`. */
  constructor(prepared: Prepared) {
    this.#prepared = prepared;
  }

  /** Why the connection is over, and all of its sessions with it; undefined while it is not. */
  get closedBy(): ChannelError | undefined {
    return this.#prepared.connector.closedBy;
  }

  /** `sessions`: open or on their way. `strays`: frames of the gateway that belonged to none; they are dropped. */
  get counts(): { readonly sessions: number; readonly strays: number } {
    const { sessions, strays } = this.#prepared.connector;
    return { sessions, strays };
  }

  /**
   * Resolves with a session of its own, whose end leaves the connection and its other sessions alone. Rejects as
   * `connect` does; with the reason of its end when the connection is over.
   */
  async open(options: OpenOptions): Promise<Channel> {
    return openSession(this.#prepared, options);
  }

  /** Ends all sessions, tells the gateway, and ends the connection. Idempotent. */
  async close(): Promise<void> {
    await this.#prepared.connector.close();
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
  return new Connection(prepare(options, false));
}

/**
 * Resolves with an open session on a connection of its own, which ends with it. Rejects with `ChannelError` (`handshake`,
 * `connection`, `timeout`, `closed`), and with `TypeError` or `RangeError` for options that cannot be right. The
 * credential leaves this process only after the gateway has proved itself.
 */
export async function connect(options: ConnectOptions): Promise<Channel> {
  sessionOptions(options, options.trust.trustDomain);
  const givenUp = new ChannelError('closed', 'closed', 'connecting was given up');
  if (options.signal?.aborted === true) throw givenUp;
  const span = options.tracer?.startSession();
  const prepared = prepare(options, true, span?.traceparent);
  try {
    return await inSpan(span, () => openSession(prepared, options));
  } catch (error) {
    prepared.connector.end(givenUp);
    throw error;
  }
}

/** At one address after the other, each once; what a gateway says of us it would say at the others too. */
async function openSession({ connector, opening }: Prepared, options: OpenOptions): Promise<Channel> {
  const { signal } = options;
  const untilMs = performance.now() + timeoutOf(options);
  for (let others = connector.addresses.length - 1; ; others -= 1) {
    const dialled = await connector.dialled(signal);
    // One that takes the connection and then says nothing leaves time for the others.
    const timeoutMs = Math.max(1, Math.round((untilMs - performance.now()) / (others + 1)));
    try {
      const request = { options: opening(options, dialled), timeoutMs, signal };
      const channel = await dialled.multiplexer.open(request);
      connector.worked();
      return channel;
    } catch (error) {
      if (others <= 0 || !isElsewhereWorthwhile(error) || performance.now() >= untilMs) throw error;
      connector.leave(dialled);
    }
  }
}

function isElsewhereWorthwhile(error: unknown): boolean {
  if (!(error instanceof ChannelError)) return false;
  return ['connection', 'timeout'].includes(error.kind) || ['busy', 'unavailable'].includes(error.code);
}

/** What is the same for every session of a connection is read once. */
function prepare(options: ConnectionOptions, isOwned: boolean, traceparent?: string): Prepared {
  const { trust, openCarrierForTesting, resume = {} } = options;
  const { caPem, trustDomain } = trust;
  const addresses = addressesOf(options);
  const timeoutMs = Math.ceil(timeoutOf(options) / addresses.length);
  const resumeOptions = resume === false ? undefined : resumeOptionsOf(resume);
  const expectedGateway = `spiffe://${trustDomain}/svc/gateway`;
  const roots = parseRoots(caPem);
  const clock = steadyClock();
  const openGrpc = (events: CarrierEvents, address: string): Carrier =>
    openGrpcCarrier({ address, caPem, trustDomain, expectedGateway, timeoutMs, traceparent }, events);
  const connector = new Connector({
    addresses,
    openCarrier: openCarrierForTesting ?? openGrpc,
    timeoutMs,
    isOwned,
    isReconnecting: resumeOptions !== undefined,
    firstPauseMs: resumeOptions?.firstPauseMs ?? 1,
    maxPauseMs: resumeOptions?.maxPauseMs ?? 1,
    random: Math.random,
  });
  return {
    connector,
    opening(open, dialled) {
      const { credential, channel } = sessionOptions(open, trustDomain);
      const gateway: ResumeTrust = {
        expectedGateway,
        verifyGatewayChain: (chainDer, atMs) => verifyGatewayChain(roots, chainDer, atMs),
        clock,
        isChannelBindingRequired: open.channelBinding === 'required',
      };
      const { backOff } = connector;
      const common = { connector, backOff, trust: gateway, now: () => performance.now() };
      return {
        handshake: { ...gateway, credential, trustDomain, expectedPrincipal: open.expectedPrincipal },
        channel,
        resumer: resumeOptions && new Resumption({ ...resumeOptions, ...common }, dialled),
      };
    },
  };
}

/** Throws `TypeError` or `RangeError` for what cannot be right. */
function sessionOptions(options: OpenOptions, trustDomain: string) {
  timeoutOf(options);
  return {
    credential: clientCredential(options.credential, trustDomain),
    channel: {
      batch: inRange('batch', options.batch ?? DEFAULT_BATCH, 256),
      maxWaiting: inRange('maxWaiting', options.maxWaiting ?? DEFAULT_MAX_WAITING, 2 ** 20),
      tracer: options.tracer,
      onState: options.onState,
    },
  };
}

function resumeOptionsOf(options: ResumeOptions) {
  const { maxMs = 30_000, maxAttempts = 100, attemptMs = 5_000 } = options;
  const { firstPauseMs = 100, maxPauseMs = 5_000 } = options;
  return {
    maxMs: inRange('resume.maxMs', maxMs, MAX_TIMER_MS),
    maxAttempts: inRange('resume.maxAttempts', maxAttempts, 2 ** 20),
    attemptMs: inRange('resume.attemptMs', attemptMs, MAX_TIMER_MS),
    firstPauseMs: inRange('resume.firstPauseMs', firstPauseMs, MAX_TIMER_MS),
    maxPauseMs: inRange('resume.maxPauseMs', maxPauseMs, MAX_TIMER_MS),
  };
}

function addressesOf({ address, addresses }: ConnectionOptions): readonly string[] {
  const all = addresses ?? (address === undefined ? [] : [address]);
  if (all.length === 0 || (address !== undefined && addresses !== undefined))
    throw new TypeError('a connection has an address, or a list of addresses');
  return all;
}

function timeoutOf({ timeoutMs = DEFAULT_TIMEOUT_MS }: { readonly timeoutMs?: number }): number {
  return inRange('timeoutMs', timeoutMs, MAX_TIMER_MS);
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
