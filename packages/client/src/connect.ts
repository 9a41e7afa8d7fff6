/** Opens a session with a gateway: connection, handshake, channel. */
import { ClientHandshake, FRAME_TYPE, parseFrame, type Established } from '@sallyport/channel';
import { Channel } from './channel.ts';
import { clientCredential, type Credential } from './credential.ts';
import { ChannelError } from './errors.ts';
import { parseRoots, verifyGatewayChain } from './gateway-chain.ts';
import { openGrpcCarrier, type Carrier, type CarrierEvents } from './grpc-carrier.ts';

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
  /** Refuse a session for anybody else, e.g. `user:alice`. */
  readonly expectedPrincipal?: string;
  readonly signal?: AbortSignal;
  /** Another carrier than gRPC; for tests. */
  readonly openCarrierForTesting?: (events: CarrierEvents) => Carrier;
};

const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_BATCH = 32;

/**
 * Resolves with an open session. Rejects with `ChannelError` (`handshake`, `connection`, `timeout`, `closed`), and with
 * `TypeError` or `RangeError` for options that cannot be right. The credential leaves this process only after the
 * gateway has proved itself.
 */
export async function connect(options: ConnectOptions): Promise<Channel> {
  const { trustDomain, caPem } = options.trust;
  const batch = options.batch ?? DEFAULT_BATCH;
  if (!Number.isInteger(batch) || batch < 1 || batch > 256) throw new RangeError('batch is 1 to 256');
  const roots = parseRoots(caPem);
  const expectedGateway = `spiffe://${trustDomain}/svc/gateway`;
  const handshake = new ClientHandshake({
    credential: clientCredential(options.credential, trustDomain),
    trustDomain,
    expectedGateway,
    verifyGatewayChain: (chainDer, atMs) => verifyGatewayChain(roots, chainDer, atMs),
    clock: steadyClock(),
    ...(options.expectedPrincipal === undefined ? {} : { expectedPrincipal: options.expectedPrincipal }),
  });
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;

  return new Promise((resolve, reject) => {
    let channel: Channel | undefined;
    const fail = (error: ChannelError): void => {
      if (channel !== undefined) return channel.end(error);
      cleanUp();
      reject(error);
      carrier.close();
    };
    const timer = setTimeout(
      () =>
        fail(
          new ChannelError('timeout', 'timeout', `no session with ${options.address} within ${timeoutMs} ms`),
        ),
      timeoutMs,
    );
    const onAbort = (): void => fail(new ChannelError('closed', 'closed', 'connecting was given up'));
    options.signal?.addEventListener('abort', onAbort, { once: true });
    const cleanUp = (): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
    };
    let steps = Promise.resolve();
    const events: CarrierEvents = {
      onFrame: (frame) => {
        if (channel !== undefined) return channel.onFrame(frame);
        // One at a time: a frame that follows Accept at once is the session's.
        steps = steps.then(() => (channel === undefined ? onHandshakeFrame(frame) : channel.onFrame(frame)));
      },
      onDrain: () => channel?.onDrain(),
      onClose: (error) => fail(error),
    };

    async function onHandshakeFrame(frame: Uint8Array): Promise<void> {
      const isAccept = typeOf(frame) === FRAME_TYPE.accept || typeOf(frame) === FRAME_TYPE.reject;
      const result = isAccept ? handshake.onAccept(frame) : await handshake.onServerHello(frame);
      if (!result.ok) return fail(handshakeError(result));
      if ('frame' in result) carrier.write(result.frame);
      else begin(result);
    }

    function begin(established: Established): void {
      cleanUp();
      channel = new Channel(established, carrier, { batch });
      resolve(channel);
    }

    const carrier =
      options.openCarrierForTesting?.(events) ??
      openGrpcCarrier({ address: options.address, caPem, expectedGateway }, events);
    carrier.write(handshake.start());
    if (options.signal?.aborted === true) onAbort();
  });
}

function typeOf(frame: Uint8Array): number | undefined {
  const parsed = parseFrame(frame);
  return parsed.ok ? parsed.type : undefined;
}

type ClientFailure = Exclude<ReturnType<ClientHandshake['onAccept']>, Established>;

function handshakeError({ cause, alert, refusal }: ClientFailure): ChannelError {
  if (refusal !== undefined) {
    const { code, retryAfterMs } = refusal;
    const detail = refusal.detail === '' ? `the gateway refused the session: ${code}` : refusal.detail;
    return new ChannelError('handshake', code, detail, { retryAfterMs });
  }
  if (alert !== undefined) {
    const { retryAfterMs } = alert;
    const message =
      alert.code === 'busy'
        ? 'the gateway is busy'
        : `the gateway refused the handshake (${alert.code}): is the credential valid and known there?`;
    return new ChannelError('handshake', alert.code === 'busy' ? 'busy' : cause, message, { retryAfterMs });
  }
  return new ChannelError(
    'handshake',
    cause,
    `the gateway did not prove itself (${cause}); nothing was sent to it`,
  );
}

/** Milliseconds since the epoch that never jump: civil time once, then the monotonic clock. */
function steadyClock(): () => number {
  const base = Date.now() - performance.now();
  return () => base + performance.now();
}
