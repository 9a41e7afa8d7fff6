/** A session on its way: the carrier's events drive the handshake, and then the channel that comes of it. */
import {
  ClientHandshake,
  FRAME_TYPE,
  parseFrame,
  type ClientFailure,
  type ClientHandshakeOptions,
  type Established,
} from '@sallyport/channel';
import type { Carrier, CarrierEvents } from './carrier.ts';
import { Channel, type ChannelOptions } from './channel.ts';
import { ChannelError } from './errors.ts';

export type OpeningOptions = {
  /** The exporter comes from the carrier. */
  readonly handshake: Omit<ClientHandshakeOptions, 'exporter'>;
  readonly channel: ChannelOptions;
};

/** Frames that may wait while a proof is checked or a credential signs. An honest gateway sends one and waits. */
const MAX_QUEUED_FRAMES = 16;

export class Opening {
  /** Settles once. */
  readonly result: Promise<Channel>;
  readonly #settle: { resolve: (channel: Channel) => void; reject: (error: unknown) => void };
  readonly #options: OpeningOptions;
  #handshake: ClientHandshake | undefined;
  #carrier: Carrier | undefined;
  #channel: Channel | undefined;
  #queue: Uint8Array[] = [];
  #isWorking = false;
  #hasShownCredential = false;
  #isOver = false;

  constructor(options: OpeningOptions) {
    const { promise, resolve, reject } = Promise.withResolvers<Channel>();
    this.result = promise;
    this.#settle = { resolve, reject };
    this.#options = options;
    // Who waits for it hears of it; who gave up does not have to.
    promise.catch(() => undefined);
  }

  /** Throws what `openCarrier` throws. */
  begin(openCarrier: (events: CarrierEvents) => Carrier): void {
    this.#carrier = openCarrier({
      // A carrier may call back before it is returned.
      onOpen: (exporter) => queueMicrotask(() => this.#start(exporter)),
      onFrame: (frame) => this.#onFrame(frame),
      onDrain: () => this.#channel?.onDrain(),
      onClose: (error) => this.fail(error),
    });
    if (this.#isOver) this.#carrier.close();
  }

  /** Ends it, in whichever state it is. Idempotent. */
  fail(error: unknown): void {
    if (this.#channel !== undefined) {
      this.#channel.end(error instanceof ChannelError ? error : defect(error));
      return;
    }
    if (this.#isOver) return;
    this.#isOver = true;
    this.#queue = [];
    this.#settle.reject(error);
    this.#carrier?.close();
  }

  #start(exporter: Uint8Array | undefined): void {
    if (this.#isOver || this.#handshake !== undefined) return;
    const { handshake } = this.#options;
    if (exporter === undefined && handshake.isChannelBindingRequired === true) {
      const text = 'channel binding is required, but this connection gives no TLS exporter';
      this.fail(new ChannelError('handshake', 'channel_binding_refused', text));
      return;
    }
    try {
      this.#handshake = new ClientHandshake({ ...handshake, exporter });
      this.#carrier?.write(this.#handshake.start());
    } catch (error) {
      this.fail(defect(error));
    }
  }

  #onFrame(frame: Uint8Array): void {
    if (this.#channel !== undefined) {
      this.#channel.onFrame(frame);
      return;
    }
    if (this.#isOver) return;
    if (this.#queue.length >= MAX_QUEUED_FRAMES) {
      this.fail(new ChannelError('handshake', 'out_of_order', 'the gateway floods the handshake'));
      return;
    }
    this.#queue.push(frame);
    if (!this.#isWorking) void this.#work();
  }

  /** One frame at a time: what follows Accept at once is the session's. Never rejects. */
  async #work(): Promise<void> {
    this.#isWorking = true;
    for (let frame = this.#queue.shift(); frame !== undefined; frame = this.#queue.shift()) {
      if (this.#channel !== undefined) {
        this.#channel.onFrame(frame);
        continue;
      }
      try {
        await this.#onHandshakeFrame(frame);
      } catch (error) {
        // The credential's own signer, which may be a device or a service.
        const text = 'the credential could not sign';
        this.fail(new ChannelError('handshake', 'credential_signature', text, { cause: error }));
      }
    }
    this.#isWorking = false;
  }

  async #onHandshakeFrame(frame: Uint8Array): Promise<void> {
    const handshake = this.#handshake;
    if (handshake === undefined) {
      this.fail(new ChannelError('handshake', 'out_of_order', 'the gateway spoke first'));
      return;
    }
    const parsed = parseFrame(frame);
    const isLast = parsed.ok && (parsed.type === FRAME_TYPE.accept || parsed.type === FRAME_TYPE.reject);
    if (isLast || this.#hasShownCredential) {
      const result = handshake.onAccept(frame);
      if (!result.ok) this.fail(handshakeError(result, this.#hasShownCredential));
      else if (!this.#isOver) this.#open(result);
      return;
    }
    const result = await handshake.onServerHello(frame);
    if (this.#isOver) return;
    if (!result.ok) {
      this.fail(handshakeError(result, false));
      return;
    }
    this.#hasShownCredential = true;
    this.#carrier?.write(result.frame);
  }

  #open(established: Established): void {
    const carrier = this.#carrier;
    if (carrier === undefined) return;
    this.#channel = new Channel(established, carrier, this.#options.channel);
    this.#settle.resolve(this.#channel);
  }
}

function handshakeError(failure: ClientFailure, hasShownCredential: boolean): ChannelError {
  const { cause, alert, refusal } = failure;
  if (refusal !== undefined) {
    const { code, retryAfterMs } = refusal;
    const text = refusal.detail === '' ? `the gateway refused the session: ${code}` : refusal.detail;
    return new ChannelError('handshake', code, text, { retryAfterMs });
  }
  if (alert !== undefined) {
    const { code, retryAfterMs } = alert;
    if (code === 'busy') {
      return new ChannelError('handshake', 'busy', 'the gateway is busy', { retryAfterMs });
    }
    const hint = hasShownCredential ? ': is the credential valid, and known there?' : '';
    return new ChannelError('handshake', cause, `the gateway refused the handshake (${code})${hint}`, {
      retryAfterMs,
    });
  }
  const consequence = hasShownCredential ? 'no session was opened' : 'no credential was shown to it';
  return new ChannelError('handshake', cause, `the gateway did not prove itself (${cause}); ${consequence}`);
}

function defect(error: unknown): ChannelError {
  return new ChannelError('handshake', 'internal', 'the handshake could not be carried out', {
    cause: error,
  });
}
