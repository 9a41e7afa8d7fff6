/** Opens a session with a gateway: connection, handshake, channel. */
import type { Channel } from './channel.ts';
import type { Carrier, CarrierEvents } from './carrier.ts';
import { clientCredential, type Credential } from './credential.ts';
import { ChannelError } from './errors.ts';
import { parseRoots, verifyGatewayChain } from './gateway-chain.ts';
import { openGrpcCarrier } from './grpc-carrier.ts';
import { Opening } from './opening.ts';

export type ConnectOptions = {
  /** `localhost:8444`. */
  readonly address: string;
  readonly trust: {
    /** PEM of the trust roots: for TLS and for the gateway's proof inside the channel. */
    readonly caPem: string;
    readonly trustDomain: string;
  };
  readonly credential: Credential;
  /** For connection and handshake together. Default 10,000. */
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
  /** Another carrier than gRPC. */
  readonly openCarrierForTesting?: (events: CarrierEvents) => Carrier;
};

const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_BATCH = 32;
const DEFAULT_MAX_WAITING = 1024;

/**
 * Resolves with an open session. Rejects with `ChannelError` (`handshake`, `connection`, `timeout`, `closed`), and with
 * `TypeError` or `RangeError` for options that cannot be right. The credential leaves this process only after the
 * gateway has proved itself.
 */
export async function connect(options: ConnectOptions): Promise<Channel> {
  const { trust, signal } = options;
  const { trustDomain, caPem } = trust;
  const timeoutMs = inRange('timeoutMs', options.timeoutMs ?? DEFAULT_TIMEOUT_MS, 2 ** 31 - 1);
  const batch = inRange('batch', options.batch ?? DEFAULT_BATCH, 256);
  const maxWaiting = inRange('maxWaiting', options.maxWaiting ?? DEFAULT_MAX_WAITING, 2 ** 20);
  const roots = parseRoots(caPem);
  const expectedGateway = `spiffe://${trustDomain}/svc/gateway`;
  const opening = new Opening({
    handshake: {
      credential: clientCredential(options.credential, trustDomain),
      trustDomain,
      expectedGateway,
      verifyGatewayChain: (chainDer, atMs) => verifyGatewayChain(roots, chainDer, atMs),
      clock: steadyClock(),
      expectedPrincipal: options.expectedPrincipal,
      isChannelBindingRequired: options.channelBinding === 'required',
    },
    channel: { batch, maxWaiting },
  });
  const given = new ChannelError('closed', 'closed', 'connecting was given up');
  if (signal?.aborted === true) throw given;
  const onAbort = (): void => opening.fail(given);
  const timer = setTimeout(() => {
    const text = `no session with ${options.address} within ${timeoutMs} ms`;
    opening.fail(new ChannelError('timeout', 'timeout', text));
  }, timeoutMs);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    opening.begin(
      options.openCarrierForTesting ??
        ((events) =>
          openGrpcCarrier(
            { address: options.address, caPem, trustDomain, expectedGateway, timeoutMs },
            events,
          )),
    );
    return await opening.result;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
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
