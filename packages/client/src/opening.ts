/** A session on its way: what comes for it drives the handshake, and then the channel that comes of it. */
import {
  ClientHandshake,
  FRAME_TYPE,
  parseFrame,
  type ClientFailure,
  type ClientHandshakeOptions,
  type Established,
} from '@sallyport/channel';
import type { Link, Tenant } from './carrier.ts';
import { Channel } from './channel.ts';
import { ChannelError } from './errors.ts';
import type { ChannelOptions } from './request.ts';
import type { Resumer } from './resumable.ts';

export type OpeningOptions = {
  /** The exporter comes from the carrier. */
  readonly handshake: Omit<ClientHandshakeOptions, 'exporter'>;
  readonly channel: ChannelOptions;
  /** Where it is being opened, for its resume; undefined: it ends with its carrier. */
  readonly resumer: Resumer | undefined;
};

/** Frames that may wait while a proof is checked or a credential signs. An honest gateway sends one and waits. */
const MAX_QUEUED_FRAMES = 16;

export class Opening implements Tenant {
  readonly isGreeting = true;
  /** Settles once. */
  readonly result: Promise<Channel>;
  readonly #settle: { resolve: (channel: Channel) => void; reject: (error: unknown) => void };
  readonly #options: OpeningOptions;
  readonly #link: Link;
  #handshake: ClientHandshake | undefined;
  #channel: Channel | undefined;
  #queue: Uint8Array[] = [];
  #isWorking = false;
  #hasShownCredential = false;
  #isGivenUp = false;
  #isOver = false;

  constructor(options: OpeningOptions, link: Link) {
    const { promise, resolve, reject } = Promise.withResolvers<Channel>();
    this.result = promise;
    this.#settle = { resolve, reject };
    this.#options = options;
    this.#link = link;
    // Who waits for it hears of it; who gave up does not have to.
    promise.catch(() => undefined);
  }

  /** True when no frame means anything to it any more. */
  get isOver(): boolean {
    return this.#isOver || this.#channel?.closedBy !== undefined;
  }

  /** Says hello; false when it did not, and is over. */
  start(exporter: Uint8Array | undefined): boolean {
    if (this.#isOver || this.#handshake !== undefined) return false;
    const { handshake } = this.#options;
    if (exporter === undefined && handshake.isChannelBindingRequired === true) {
      const text = 'channel binding is required, but this connection gives no TLS exporter';
      this.end(new ChannelError('handshake', 'channel_binding_refused', text));
      return false;
    }
    try {
      this.#handshake = new ClientHandshake({ ...handshake, exporter });
      this.#link.write(this.#handshake.start());
      return true;
    } catch (error) {
      this.end(defect(error));
      return false;
    }
  }

  /**
   * Nobody waits for it any more. Once the credential was shown the gateway may open the session all the same, and would
   * keep it as long as the carrier lives: then it is closed as soon as it is open.
   */
  giveUp(error: ChannelError): void {
    if (this.#channel !== undefined || this.#isOver) return;
    if (!this.#hasShownCredential) return this.end(error);
    this.#isGivenUp = true;
    this.#settle.reject(error);
  }

  /** Ends it, in whichever state it is. Idempotent. */
  end(error: unknown): void {
    if (this.#channel !== undefined) {
      this.#channel.end(error instanceof ChannelError ? error : defect(error));
      return;
    }
    if (this.#isOver) return;
    this.#isOver = true;
    this.#queue = [];
    this.#settle.reject(error);
    this.#link.close();
  }

  lost(error: ChannelError): void {
    if (this.#channel === undefined) this.end(error);
    else this.#channel.lost(error);
  }

  /** Tells the gateway that the session ends, where there is one. */
  sayGoodbye(): void {
    this.#channel?.sayGoodbye();
  }

  onDrain(): void {
    this.#channel?.onDrain();
  }

  /** Never throws. */
  onFrame(frame: Uint8Array): void {
    if (this.#channel !== undefined) {
      this.#channel.onFrame(frame);
      return;
    }
    if (this.#isOver) return;
    if (this.#queue.length >= MAX_QUEUED_FRAMES) {
      this.end(new ChannelError('handshake', 'out_of_order', 'the gateway floods the handshake'));
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
        this.end(new ChannelError('handshake', 'credential_signature', text, { cause: error }));
      }
    }
    this.#isWorking = false;
  }

  async #onHandshakeFrame(frame: Uint8Array): Promise<void> {
    const handshake = this.#handshake;
    if (handshake === undefined) {
      this.end(new ChannelError('handshake', 'out_of_order', 'the gateway spoke first'));
      return;
    }
    const parsed = parseFrame(frame);
    const isLast = parsed.ok && (parsed.type === FRAME_TYPE.accept || parsed.type === FRAME_TYPE.reject);
    if (isLast || this.#hasShownCredential) {
      const result = handshake.onAccept(frame);
      if (!result.ok) this.end(handshakeError(result, this.#hasShownCredential));
      else if (!this.#isOver) this.#open(result);
      return;
    }
    const result = await handshake.onServerHello(frame);
    if (this.#isOver) return;
    if (!result.ok) {
      this.end(handshakeError(result, false));
      return;
    }
    this.#hasShownCredential = true;
    this.#link.write(result.frame);
  }

  #open(established: Established): void {
    const { channel, resumer } = this.#options;
    this.#channel = new Channel(established, this.#link, channel, resumer);
    this.#link.opened();
    if (this.#isGivenUp) void this.#channel.close();
    else this.#settle.resolve(this.#channel);
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
