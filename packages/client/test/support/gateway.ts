/**
 * A gateway in memory: the real handshake and session of packages/channel behind a carrier of function calls. Honest by
 * default; a test puts its own behaviour in place of any step.
 */
import { X509Certificate } from 'node:crypto';
import {
  bindingSignatureInput,
  checkClientProof,
  controlMessage,
  createGatewayIdentity,
  credentialDigest,
  derivePskKey,
  encodeBinding,
  encodeRefusal,
  FRAME_TYPE,
  isPskClientProof,
  parseControl,
  parseFrame,
  pskExport,
  pskServerProof,
  readHandshake,
  readPskProofRequest,
  ServerHandshake,
  SequenceWindow,
  type GatewayIdentity,
  type OpenedMessage,
  type OutgoingMessage,
  type RawHandshake,
  type RefusalCode,
  type ServerHandshakeOptions,
  type Session,
  type SessionBinding,
  type SessionLimits,
} from '@sallyport/channel';
import { ED25519, secretKey } from '@sallyport/crypto';
import {
  ChannelError,
  connect,
  type Carrier,
  type CarrierEvents,
  type Channel,
  type ConnectOptions,
} from '../../src/index.ts';
import { TRUST_DOMAIN, type World } from './certificates.ts';

export const psk = {
  pskId: new Uint8Array(16).fill(0x1d),
  psk: new Uint8Array(32).fill(0x9c),
  principal: 'workload:batch',
};
const pskKey = derivePskKey({
  psk: psk.psk,
  pskId: psk.pskId,
  client: psk.principal,
  trustDomain: TRUST_DOMAIN,
});
const bindingKeys = ED25519.generate();
export const sessionKey = secretKey(new Uint8Array(32).fill(0x5e));
const HOUR_MS = 3_600_000;

export type Behaviour = {
  /** In place of answering: what the gateway does with the messages of a frame. Default: echoes every request. */
  readonly onMessages?: (gateway: TestGateway, messages: readonly OpenedMessage[]) => void;
  readonly binding?: Partial<SessionBinding>;
  readonly limits?: Partial<SessionLimits>;
  readonly exporter?: { readonly client?: Uint8Array; readonly gateway?: Uint8Array };
  readonly server?: Partial<ServerHandshakeOptions>;
  readonly identity?: GatewayIdentity;
  /** In place of the honest frame. */
  readonly changeHello?: (frame: Uint8Array) => readonly Uint8Array[];
  readonly changeAccept?: (frame: Uint8Array) => readonly Uint8Array[];
  readonly reject?: RefusalCode;
  /** Messages per frame of the gateway. Default 32. */
  readonly batch?: number;
  /** What `write` of the client's carrier answers. */
  readonly isBlocked?: () => boolean;
};

export class TestGateway {
  readonly frames: Uint8Array[] = [];
  /** Messages of the client, by kind, that were opened. */
  readonly requests: OpenedMessage[] = [];
  readonly controls: OpenedMessage[] = [];
  readonly frameSizes: number[] = [];
  readonly received = new SequenceWindow();
  isClosed = false;
  session: Session | undefined;
  events: CarrierEvents | undefined;
  readonly #world: World;
  readonly #behaviour: Behaviour;
  readonly #handshake: ServerHandshake;
  readonly #backlog: OutgoingMessage[] = [];

  constructor(world: World, behaviour: Behaviour = {}) {
    this.#world = world;
    this.#behaviour = behaviour;
    const clock = (): number => Date.now();
    this.#handshake = new ServerHandshake({
      identity: behaviour.identity ?? identityOf(world),
      clock,
      pskServerProof: provePsk,
      exporter: behaviour.exporter?.gateway,
      ...behaviour.server,
    });
  }

  readonly openCarrier = (events: CarrierEvents): Carrier => {
    this.events = events;
    const closed = Promise.withResolvers<void>();
    events.onOpen(this.#behaviour.exporter?.client);
    return {
      write: (frame) => {
        // A turn later, as a network would.
        if (!this.isClosed) setImmediate(() => void this.#onFrame(frame));
        return this.#behaviour.isBlocked?.() !== true;
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

  connect(options: Partial<ConnectOptions> = {}): Promise<Channel> {
    const { alice, root } = this.#world;
    return connect({
      address: 'in memory',
      trust: { caPem: root.pem, trustDomain: TRUST_DOMAIN },
      credential: { kind: 'certificate', certPem: alice.pem, key: alice.key },
      timeoutMs: 2_000,
      // Its one connection is all there is; `cluster.ts` has gateways that take sessions on.
      resume: false,
      openCarrierForTesting: this.openCarrier,
      ...options,
    });
  }

  /** Straight into the client. */
  deliver(...frames: readonly Uint8Array[]): void {
    for (const frame of frames) this.events?.onFrame(frame);
  }

  seal(...messages: readonly OutgoingMessage[]): Uint8Array {
    const sealed = this.session?.sealFrame(messages);
    if (sealed?.ok !== true) throw new Error(`not sealed: ${sealed?.cause ?? 'no session'}`);
    return sealed.bytes;
  }

  /** As much as the client's window allows; the rest when it acknowledges. */
  send(...messages: readonly OutgoingMessage[]): void {
    this.#backlog.push(...messages);
    for (let credit = 1; this.#backlog.length > 0 && credit > 0; credit = this.session?.sendCredit ?? 0) {
      const isFree = this.#backlog[0]?.kind === 'control';
      const most = Math.min(isFree ? 1 : (this.session?.sendCredit ?? 0), this.#behaviour.batch ?? 32);
      if (most === 0) return;
      this.deliver(this.seal(...this.#backlog.splice(0, most)));
    }
  }

  acknowledge(receivedThrough: number, missing: readonly { first: number; count: number }[] = []): void {
    this.send(controlMessage({ kind: 'ack', receivedThrough, lost: 0, gatewayTimeMs: Date.now(), missing }));
  }

  lose(): void {
    this.isClosed = true;
    this.events?.onClose(new ChannelError('connection', 'connection_lost', 'the wire was cut'));
  }

  async #onFrame(frame: Uint8Array): Promise<void> {
    const parsed = parseFrame(frame);
    if (!parsed.ok || this.isClosed) return;
    const { changeHello, changeAccept } = this.#behaviour;
    if (parsed.type === FRAME_TYPE.clientHello) {
      const hello = await this.#handshake.onClientHello(frame);
      const answer = hello.ok ? hello.frame : hello.alert;
      return this.deliver(...(changeHello?.(answer) ?? [answer]));
    }
    if (parsed.type === FRAME_TYPE.clientAuth) {
      const answer = this.#accept(frame);
      return this.deliver(...(changeAccept?.(answer) ?? [answer]));
    }
    this.#onMessages(frame);
  }

  #accept(frame: Uint8Array): Uint8Array {
    const request = this.#handshake.onClientAuth(frame);
    if (!request.ok) return request.alert;
    const { reject, binding, limits } = this.#behaviour;
    if (reject !== undefined) {
      return this.#handshake.reject({ code: reject, retryAfterMs: 1500, detail: 'not you' });
    }
    const accepted = this.#handshake.accept({
      ...authenticate(request.raw, binding),
      ...(limits === undefined ? {} : { limits: { ...DEFAULTS, ...limits } }),
    });
    if (!accepted.ok) return accepted.alert;
    this.session = accepted.session;
    return accepted.frame;
  }

  #onMessages(frame: Uint8Array): void {
    this.frames.push(frame);
    const opened = this.session?.openFrame(frame);
    if (opened?.ok !== true) throw new Error(`the client sent a bad frame: ${opened?.cause}`);
    for (const { sequence } of opened.messages) this.received.accept(sequence);
    const requests = opened.messages.filter(({ kind }) => kind === 'request');
    for (const message of opened.messages) {
      const control = message.kind === 'control' ? parseControl(message.payload) : undefined;
      if (control?.ok !== true || control.control.kind !== 'ack') continue;
      this.session?.acknowledgeThrough(control.control.receivedThrough);
      this.send();
    }
    this.controls.push(...opened.messages.filter(({ kind }) => kind === 'control'));
    this.requests.push(...requests);
    if (requests.length > 0) this.frameSizes.push(requests.length);
    if (this.#behaviour.onMessages !== undefined) this.#behaviour.onMessages(this, requests);
    else if (requests.length > 0) this.send(...requests.map(echoOf));
  }
}

/** Of `docs/protocol.md` section 4.4. */
const DEFAULTS: SessionLimits = {
  maxFrameBytes: 1024 * 1024,
  maxHeaderBytes: 2048,
  maxMessagesPerFrame: 256,
  maxUnacknowledged: 512,
  maxEpochMessages: 2 ** 20,
  freshnessMs: 30_000,
};

export function echoOf({ correlation, contentType, payload }: OpenedMessage): OutgoingMessage {
  return { kind: 'response', correlation, destination: '', contentType, trace: '', payload };
}

export function refusalOf({ correlation }: OpenedMessage, code: RefusalCode, detail = ''): OutgoingMessage {
  const payload = encodeRefusal({ code, retryAfterMs: 0, detail });
  return { kind: 'refusal', correlation, destination: '', contentType: '', trace: '', payload };
}

export function identityOf(
  { gateway }: Pick<World, 'gateway'>,
  notAfterMs = Date.now() + HOUR_MS,
): GatewayIdentity {
  return createGatewayIdentity({
    chainDer: [gateway.der],
    trustDomain: TRUST_DOMAIN,
    certificateKey: gateway.key,
    notAfterMs,
  });
}

export function provePsk(raw: RawHandshake): Promise<Uint8Array> {
  const request = readPskProofRequest(raw);
  if (!request.ok) return Promise.reject(new Error(request.cause));
  return Promise.resolve(pskServerProof(pskKey, request.hashes.serverMac));
}

/** What auth-service and key-service give for a good handshake. */
export function authenticate(raw: RawHandshake, change: Partial<SessionBinding> = {}) {
  const view = readHandshake(raw);
  if (!view.ok) throw new Error(view.cause);
  const { credential, mac, publicKey } = view.clientAuth;
  const isPsk = view.method === 'psk';
  const der = credential.method === 'certificate' ? credential.chainDer[0] : undefined;
  const cause = checkClientProof(view, der && new X509Certificate(der).publicKey);
  if (cause !== undefined) throw new Error(cause);
  if (isPsk && !(mac && isPskClientProof(pskKey, view.hashes.clientMac, mac))) throw new Error('psk_proof');
  const bytes = encodeBinding({
    sid: view.sid,
    transcriptHash: view.hashes.afterClientAuth,
    tenant: 'default',
    principal: isPsk ? psk.principal : 'user:alice',
    method: view.method,
    assurance: 1,
    signatureAlgorithm: view.suite.signature.id,
    clientPublicKey: publicKey,
    trustDomain: TRUST_DOMAIN,
    notBeforeMs: Date.now() - 1000,
    notAfterMs: Date.now() + HOUR_MS,
    credentialDigest: credentialDigest(der ?? psk.pskId),
    ...change,
  });
  return {
    binding: {
      bytes,
      keyId: 'binding-1',
      signature: ED25519.sign(bindingKeys.privateKey, bindingSignatureInput(bytes)),
    },
    sessionKey,
    lease: { notAfterMs: Date.now() + HOUR_MS },
    pskExport: isPsk ? pskExport(pskKey, view.hashes.afterClientAuth) : undefined,
  };
}

/** A copy with one bit changed. */
export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice();
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}

/** How a promise failed; fails itself where it did not. */
export async function failureOf(promise: Promise<unknown>): Promise<ChannelError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ChannelError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

export const body = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
