/** Many sessions on one carrier: a `TestGateway` for each ClientHello, in the order in which they came. */
import { encodeAlert, FRAME_TYPE, parseFrame } from '@sallyport/channel';
import { toHex } from '@sallyport/crypto';
import { ChannelError, openConnection, type Carrier, type CarrierEvents } from '../../src/index.ts';
import type { Channel, Connection, ConnectionOptions, OpenOptions } from '../../src/index.ts';
import { TRUST_DOMAIN, type World } from './certificates.ts';
import { TestGateway, type Behaviour } from './gateway.ts';

export class MultiGateway {
  readonly gateways: TestGateway[] = [];
  /** Types and session ids of what the client wrote, in order. */
  readonly written: { readonly type: number; readonly sid: string }[] = [];
  carriers = 0;
  isClosed = false;
  /** What `write` of the client's carrier answers, asked after each frame. */
  isFull = (): boolean => false;
  mostUnanswered = 0;
  mostUnfinished = 0;
  readonly #world: World;
  readonly #behaviourOf: (nth: number) => Behaviour;
  readonly #bySid = new Map<string, Carrier>();
  #unanswered = 0;
  #unfinished = 0;
  #events: CarrierEvents | undefined;

  constructor(world: World, behaviourOf: (nth: number) => Behaviour = () => ({})) {
    this.#world = world;
    this.#behaviourOf = behaviourOf;
  }

  readonly openCarrier = (events: CarrierEvents): Carrier => {
    this.carriers += 1;
    this.#events = events;
    const closed = Promise.withResolvers<void>();
    events.onOpen(undefined);
    return {
      write: (frame) => {
        if (!this.isClosed) this.onFrame(frame, events.onFrame);
        return !this.isFull();
      },
      close: () => {
        if (this.isClosed) return;
        this.isClosed = true;
        closed.resolve();
        events.onClose(new ChannelError('closed', 'closed', 'the connection was closed'));
      },
      closed: closed.promise,
    };
  };

  open(options: Partial<ConnectionOptions> = {}): Connection {
    const { root } = this.#world;
    const trust = { caPem: root.pem, trustDomain: TRUST_DOMAIN };
    return openConnection({
      address: 'in memory',
      trust,
      resume: false,
      openCarrierForTesting: this.openCarrier,
      ...options,
    });
  }

  get alice(): OpenOptions {
    const { alice } = this.#world;
    return {
      credential: { kind: 'certificate', certPem: alice.pem, key: alice.key },
      timeoutMs: 2_000,
    };
  }

  /** A connection with two sessions. */
  async pair(): Promise<[Connection, Channel, Channel]> {
    const connection = this.open();
    return [connection, await connection.open(this.alice), await connection.open(this.alice)];
  }

  /** A frame of the client; answers go to `send`. */
  onFrame(frame: Uint8Array, send: (frame: Uint8Array) => void): void {
    const parsed = parseFrame(frame);
    if (!parsed.ok) throw new Error(`the client wrote what is no frame: ${parsed.cause}`);
    const sid = toHex(parsed.sid);
    this.written.push({ type: parsed.type, sid });
    if (parsed.type === FRAME_TYPE.clientHello) return this.#hello(frame, send);
    const session = this.#bySid.get(sid);
    if (session === undefined) throw new Error('the client wrote to a session that is not');
    session.write(frame);
  }

  deliver(...frames: readonly Uint8Array[]): void {
    for (const frame of frames) this.#events?.onFrame(frame);
  }

  alert(code: Parameters<typeof encodeAlert>[1], sid?: Uint8Array): void {
    this.deliver(encodeAlert(sid, code, 700));
  }

  drain(): void {
    this.#events?.onDrain();
  }

  lose(): void {
    this.isClosed = true;
    this.#events?.onClose(new ChannelError('connection', 'connection_lost', 'the wire was cut'));
  }

  nth(at: number): TestGateway {
    const gateway = this.gateways[at];
    if (gateway === undefined) throw new Error(`there is no hello ${at}`);
    return gateway;
  }

  #hello(hello: Uint8Array, send: (frame: Uint8Array) => void): void {
    const behaviour = this.#behaviourOf(this.gateways.length);
    const gateway = new TestGateway(this.#world, {
      ...behaviour,
      changeHello: (frame) => {
        const parsed = parseFrame(frame);
        if (parsed.ok && parsed.type === FRAME_TYPE.serverHello) this.#bySid.set(toHex(parsed.sid), carrier);
        this.#unanswered -= 1;
        return behaviour.changeHello?.(frame) ?? [frame];
      },
    });
    this.gateways.push(gateway);
    this.#unanswered += 1;
    this.#unfinished += 1;
    this.mostUnanswered = Math.max(this.mostUnanswered, this.#unanswered);
    this.mostUnfinished = Math.max(this.mostUnfinished, this.#unfinished);
    const carrier = gateway.openCarrier({
      onOpen: () => undefined,
      onFrame: (frame) => {
        const parsed = parseFrame(frame);
        if (parsed.ok && parsed.type === FRAME_TYPE.accept) this.#unfinished -= 1;
        send(frame);
      },
      onDrain: () => undefined,
      onClose: () => undefined,
    });
    carrier.write(hello);
  }
}
