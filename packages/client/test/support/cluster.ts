/**
 * Gateways that share what a store would keep: resumption records, sequence windows and the ledger of requests. Honest by
 * default, as docs/protocol.md has it (resume, resend); a test makes one fail or lie where it likes.
 */
import {
  controlMessage,
  encodeAlert,
  FRAME_TYPE,
  parseControl,
  parseFrame,
  readResumeHello,
  resumptionRecord,
  SequenceWindow,
  ServerHandshake,
  ServerResume,
  type Acknowledgement,
  type AlertCode,
  type GatewayIdentity,
  type OpenedMessage,
  type OutgoingMessage,
  type RefusalCode,
  type ResumptionRecord,
  type Session,
} from '@sallyport/channel';
import { toHex } from '@sallyport/crypto';
import {
  ChannelError,
  connect,
  openConnection,
  type Carrier,
  type CarrierEvents,
  type Channel,
  type Connection,
  type ConnectOptions,
} from '../../src/index.ts';
import { TRUST_DOMAIN, type World } from './certificates.ts';
import { authenticate, echoOf, identityOf, provePsk, refusalOf, sessionKey } from './gateway.ts';

const HOUR_MS = 3_600_000;

/** What becomes of a request at its destination. */
export type Fate =
  | { readonly kind: 'answered' }
  /** Executed; its answer is kept and not sent. */
  | { readonly kind: 'kept' }
  | { readonly kind: 'running' }
  | { readonly kind: 'refused'; readonly code: RefusalCode };

export type Stored = {
  record: ResumptionRecord;
  attachment: Attachment;
  readonly window: SequenceWindow;
  /** Correlation to what is known of it. */
  readonly ledger: Map<string, { state: 'running' | 'done'; readonly response: OutgoingMessage }>;
};

/** A session at one gateway, on one carrier. */
type Attachment = { readonly session: Session; readonly wire: Wire };

export type Behaviour = {
  /** Connections are refused. */
  isDown: boolean;
  /** Frames of the client that are lost on their way, by type. */
  loses: (type: number) => boolean;
  /** Frames of the gateway that are lost on their way, by type. */
  swallows: (type: number) => boolean;
  /** In place of an answer to ResumeHello. */
  alert: AlertCode | undefined;
  changeAnswer: (frame: Uint8Array) => readonly Uint8Array[];
  identity: GatewayIdentity | undefined;
};

export class Cluster {
  readonly store = new Map<string, Stored>();
  readonly carriers: Wire[] = [];
  /** Types of the frames that the client wrote, with the address they came to. */
  readonly written: { readonly address: string; readonly type: number }[] = [];
  /** Every request that was admitted, and each time one was executed. */
  readonly requests: OpenedMessage[] = [];
  readonly executed: string[] = [];
  /** What the client said to have received. */
  readonly acknowledgements: Acknowledgement[] = [];
  /** In place of looking into the ledger. */
  refusesUnseen: RefusalCode | undefined;
  fateOf: (message: OpenedMessage) => Fate = () => ({ kind: 'answered' });
  readonly world: World;
  readonly #behaviours = new Map<string, Behaviour>();
  readonly #identities = new Map<string, GatewayIdentity>();

  constructor(world: World) {
    this.world = world;
  }

  at(address: string): Behaviour {
    const known = this.#behaviours.get(address);
    if (known !== undefined) return known;
    const honest: Behaviour = {
      isDown: false,
      loses: () => false,
      swallows: () => false,
      alert: undefined,
      changeAnswer: (frame) => [frame],
      identity: undefined,
    };
    this.#behaviours.set(address, honest);
    return honest;
  }

  identityAt(address: string): GatewayIdentity {
    const known = this.at(address).identity ?? this.#identities.get(address) ?? identityOf(this.world);
    this.#identities.set(address, known);
    return known;
  }

  /** The carrier that was opened last. */
  get wire(): Wire {
    const wire = this.carriers.at(-1);
    if (wire === undefined) throw new Error('nothing was dialled');
    return wire;
  }

  stored(channel: Channel): Stored {
    const stored = this.store.get(channel.sessionId);
    if (stored === undefined) throw new Error('no such session');
    return stored;
  }

  readonly openCarrier = (events: CarrierEvents, address: string): Carrier => {
    const wire = new Wire(this, address, events);
    this.carriers.push(wire);
    return wire.carrier;
  };

  get options() {
    const { alice, root } = this.world;
    return {
      addresses: ['a', 'b'],
      trust: { caPem: root.pem, trustDomain: TRUST_DOMAIN },
      credential: { kind: 'certificate' as const, certPem: alice.pem, key: alice.key },
      timeoutMs: 10_000,
      resume: { maxMs: 30_000, maxAttempts: 100_000, attemptMs: 5_000, firstPauseMs: 1, maxPauseMs: 5 },
      openCarrierForTesting: this.openCarrier,
    };
  }

  connect(options: Partial<ConnectOptions> = {}): Promise<Channel> {
    return connect({ ...this.options, ...options });
  }

  open(): Connection {
    return openConnection(this.options);
  }

  /** It was `running`, and is done now. */
  finish(): void {
    for (const { ledger } of this.store.values()) for (const claim of ledger.values()) claim.state = 'done';
  }
}

/** One connection, from its gateway's side. */
export class Wire {
  readonly address: string;
  readonly carrier: Carrier;
  readonly #cluster: Cluster;
  readonly #events: CarrierEvents;
  readonly #handshakes = new Map<string, ServerHandshake>();
  readonly #resumes = new Map<string, ServerResume>();
  readonly #attached = new Map<string, Attachment>();
  isClosed = false;

  constructor(cluster: Cluster, address: string, events: CarrierEvents) {
    this.address = address;
    this.#cluster = cluster;
    this.#events = events;
    const closed = Promise.withResolvers<void>();
    this.carrier = {
      write: (frame) => {
        // A turn later, as a network would.
        if (!this.isClosed) setImmediate(() => void this.#onFrame(frame));
        return true;
      },
      close: () => {
        closed.resolve();
        this.#over(new ChannelError('closed', 'closed', 'the connection was closed'));
      },
      closed: closed.promise,
    };
    setImmediate(() => {
      if (this.isClosed) return;
      if (cluster.at(address).isDown) this.lose();
      else events.onOpen(undefined);
    });
  }

  lose(): void {
    this.#over(new ChannelError('connection', 'connection_lost', 'the wire was cut'));
  }

  send(...frames: readonly Uint8Array[]): void {
    for (const frame of frames) {
      const isLost = this.#cluster.at(this.address).swallows(frame[1] ?? 0);
      if (!this.isClosed && !isLost) this.#events.onFrame(frame);
    }
  }

  /** Says it in the session, as the gateway that has it. */
  say(channel: Channel, ...messages: readonly OutgoingMessage[]): Uint8Array {
    const attachment = this.#attached.get(channel.sessionId);
    const sealed = attachment?.session.sealFrame(messages);
    if (sealed?.ok !== true) throw new Error('not sealed');
    this.send(sealed.bytes);
    return sealed.bytes;
  }

  close(channel: Channel, code: RefusalCode): void {
    this.say(channel, controlMessage({ kind: 'close', code, retryAfterMs: 0, detail: '' }));
    this.#attached.delete(channel.sessionId);
  }

  #over(error: ChannelError): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#events.onClose(error);
  }

  async #onFrame(frame: Uint8Array): Promise<void> {
    const parsed = parseFrame(frame);
    if (!parsed.ok || this.isClosed) return;
    this.#cluster.written.push({ address: this.address, type: parsed.type });
    if (this.#cluster.at(this.address).loses(parsed.type)) return;
    const id = toHex(parsed.sid);
    if (parsed.type === FRAME_TYPE.clientHello) return this.#hello(frame);
    if (parsed.type === FRAME_TYPE.clientAuth) return this.#accept(id, frame);
    if (parsed.type === FRAME_TYPE.resumeHello) return this.#resume(id, frame);
    this.#messages(id, frame);
  }

  async #hello(frame: Uint8Array): Promise<void> {
    const handshake = new ServerHandshake({
      identity: this.#cluster.identityAt(this.address),
      clock: () => Date.now(),
      pskServerProof: provePsk,
    });
    const hello = await handshake.onClientHello(frame);
    if (handshake.sid !== undefined) this.#handshakes.set(toHex(handshake.sid), handshake);
    this.send(hello.ok ? hello.frame : hello.alert);
  }

  #accept(id: string, frame: Uint8Array): void {
    const handshake = this.#handshakes.get(id);
    const request = handshake?.onClientAuth(frame);
    if (handshake === undefined || request?.ok !== true) throw new Error('a bad ClientAuth');
    const accepted = handshake.accept(authenticate(request.raw));
    if (!accepted.ok) throw new Error(accepted.cause);
    const attachment = { session: accepted.session, wire: this };
    this.#attached.set(id, attachment);
    this.#cluster.store.set(id, {
      record: resumptionRecord(accepted.session),
      attachment,
      window: new SequenceWindow(),
      ledger: new Map(),
    });
    this.send(accepted.frame);
  }

  #resume(id: string, frame: Uint8Array): void {
    const { alert, changeAnswer } = this.#cluster.at(this.address);
    const named = readResumeHello(frame);
    if (!named.ok) throw new Error(`a bad ResumeHello: ${named.cause}`);
    const stored = this.#cluster.store.get(id);
    if (alert !== undefined) return this.send(encodeAlert(named.sid, alert));
    if (stored === undefined) return this.send(encodeAlert(named.sid, 'unknown_session'));
    const resume = new ServerResume({
      identity: this.#cluster.identityAt(this.address),
      record: stored.record,
      clock: () => Date.now(),
    });
    const verified = resume.onResumeHello(frame);
    if (!verified.ok) return this.send(verified.alert);
    const answer = resume.answer({
      sessionKey,
      lease: { notAfterMs: Date.now() + HOUR_MS },
      receivedThrough: stored.window.highest,
    });
    if (!answer.ok) return this.send(answer.alert);
    this.#resumes.set(id, resume);
    this.send(...changeAnswer(answer.frame));
  }

  #messages(id: string, frame: Uint8Array): void {
    const stored = this.#cluster.store.get(id);
    const resume = this.#resumes.get(id);
    if (resume !== undefined && stored !== undefined) {
      this.#resumes.delete(id);
      const resumed = resume.onFirstFrame(frame);
      if (!resumed.ok) return this.send(resumed.alert);
      if (resumed.session.epoch !== stored.record.epoch + 1) {
        return this.send(encodeAlert(resumed.session.sid, 'unknown_session'));
      }
      stored.record = resumptionRecord(resumed.session);
      stored.attachment = { session: resumed.session, wire: this };
      stored.window.closeThrough(resumed.opened.firstSequence - 1);
      this.#attached.set(id, stored.attachment);
      this.#take(stored, resumed.opened.messages);
      return this.#acknowledge(stored);
    }
    const attachment = this.#attached.get(id);
    if (attachment === undefined || stored?.attachment !== attachment) return;
    const opened = attachment.session.openFrame(frame);
    if (!opened.ok) throw new Error(`the client sent a bad frame: ${opened.cause}`);
    this.#take(stored, opened.messages);
  }

  #acknowledge({ attachment, window }: Stored): void {
    const sealed = attachment.session.sealFrame([
      controlMessage({
        kind: 'ack',
        receivedThrough: Math.max(0, window.highest),
        lost: window.lost,
        gatewayTimeMs: Date.now(),
        missing: [],
      }),
    ]);
    if (sealed.ok) this.send(sealed.bytes);
  }

  #take(stored: Stored, messages: readonly OpenedMessage[]): void {
    const answers: OutgoingMessage[] = [];
    for (const message of messages) {
      stored.window.accept(message.sequence);
      const control = message.kind === 'control' ? parseControl(message.payload) : undefined;
      if (control?.ok === true && control.control.kind === 'ack') {
        stored.attachment.session.acknowledgeThrough(control.control.receivedThrough);
        this.#cluster.acknowledgements.push(control.control);
      }
      if (message.kind !== 'request') continue;
      const answer = this.#answer(stored, message);
      if (answer !== undefined) answers.push(answer);
    }
    if (answers.length === 0) return;
    const sealed = stored.attachment.session.sealFrame(answers);
    if (!sealed.ok) throw new Error(sealed.cause);
    this.send(sealed.bytes);
  }

  #answer(stored: Stored, message: OpenedMessage): OutgoingMessage | undefined {
    const cluster = this.#cluster;
    cluster.requests.push(message);
    if (cluster.refusesUnseen !== undefined) return refusalOf(message, cluster.refusesUnseen);
    const id = toHex(message.correlation);
    const known = stored.ledger.get(id);
    if (known?.state === 'running') return refusalOf(message, 'running');
    if (known !== undefined) return known.response;
    const fate = cluster.fateOf(message);
    if (fate.kind === 'refused') return refusalOf(message, fate.code);
    cluster.executed.push(id);
    // The frame's memory is the client's: what is kept is a copy.
    const response = { ...echoOf(message), correlation: message.correlation.slice() };
    stored.ledger.set(id, { state: fate.kind === 'running' ? 'running' : 'done', response });
    return fate.kind === 'answered' ? response : undefined;
  }
}
