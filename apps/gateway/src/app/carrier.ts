/**
 * One carrier connection: its frames are told apart by type and session, handshakes under way are bounded, and a peer
 * that sends rubbish is cut off. Sessions on the same connection do not harm each other.
 */
import {
  encodeAlert,
  FRAME_TYPE,
  MAX_FRAME_BYTES,
  MAX_HANDSHAKE_BYTES,
  parseFrame,
} from '@sallyport/channel';
import { toHex } from '@sallyport/crypto';
import { LiveSession } from './live-session.ts';
import type { PipelineMetrics } from './measure.ts';
import type { OpenedSession, Refused, SessionOpening } from './open-session.ts';
import type { FrameResult, Pipeline } from './pipeline.ts';
import type { Rejections } from './rejections.ts';
import type { Sessions } from './sessions.ts';

export type CarrierPorts = {
  readonly beginSession: (peer: { address: string; exporter: Uint8Array | undefined }) => SessionOpening;
  readonly pipeline: Pipeline;
  readonly sessions: Sessions;
  readonly rejections: Pick<Rejections, 'count'>;
  readonly metrics: Pick<PipelineMetrics, 'handshake'>;
  /** Shared by all carriers of the gateway. */
  readonly halfOpen: HalfOpen;
  readonly now: () => number;
  readonly onSessionEnd: (live: LiveSession, cause: string) => void;
};

/** Handshakes under way at this gateway. */
export type HalfOpen = { count: number; readonly max: number };

/** The connection, as the carrier sees it. */
export type Connection = {
  readonly peerAddress: string;
  readonly exporter: () => Uint8Array | undefined;
  /** False asks to wait for `onDrain`. */
  write(frame: Uint8Array): boolean;
  end(): void;
};

export type Carrier = {
  onFrame(frame: Uint8Array): void;
  onDrain(): void;
  onClose(): void;
};

// PROTOCOL.md section 2, "Half-open" and "Errors on the wire".
const MAX_HANDSHAKES = 8;
const HANDSHAKE_TIMEOUT_MS = 5_000;
const MAX_BAD_FRAMES = 16;
const BUSY_RETRY_MS = 1_000;

type Handshake = { readonly opening: SessionOpening; readonly timer: NodeJS.Timeout; isAnswered: boolean };

export function createCarrier(ports: CarrierPorts, connection: Connection): Carrier {
  const { sessions, rejections, metrics, halfOpen } = ports;
  const handshakes = new Map<string, Handshake>();
  const own = new Set<LiveSession>();
  let pending = 0;
  let badFrames = 0;
  let isOver = false;

  function reject(cause: string, alert?: Uint8Array): void {
    rejections.count(connection.peerAddress, cause);
    if (isOver) return;
    if (alert !== undefined) connection.write(alert);
    badFrames += 1;
    if (badFrames >= MAX_BAD_FRAMES) connection.end();
  }

  function busy(): void {
    rejections.count(connection.peerAddress, 'busy');
    connection.write(encodeAlert(undefined, 'busy', BUSY_RETRY_MS));
  }

  async function hello(frame: Uint8Array): Promise<void> {
    if (frame.length > MAX_HANDSHAKE_BYTES)
      return reject('oversized', encodeAlert(undefined, 'invalid_message'));
    if (pending >= MAX_HANDSHAKES || halfOpen.count >= halfOpen.max) return busy();
    pending += 1;
    halfOpen.count += 1;
    const opening = ports.beginSession({ address: connection.peerAddress, exporter: connection.exporter() });
    const answer = await opening.hello(frame);
    const id = opening.sessionId();
    if (answer.kind === 'refused' || id === undefined || isOver) {
      release();
      if (answer.kind === 'refused') refuse(answer);
      return;
    }
    const timer = setTimeout(() => abandon(id), HANDSHAKE_TIMEOUT_MS);
    handshakes.set(id, { opening, timer, isAnswered: false });
    connection.write(answer.frame);
  }

  function release(): void {
    pending -= 1;
    halfOpen.count -= 1;
  }

  /** The gateway has proved itself and the client did not go on: counted, for it may be a search for keys. */
  function abandon(id: string): void {
    const handshake = handshakes.get(id);
    if (handshake === undefined) return;
    clearTimeout(handshake.timer);
    handshakes.delete(id);
    // One that is being judged is released by its own end.
    if (!handshake.isAnswered) release();
    metrics.handshake('abandoned');
    rejections.count(connection.peerAddress, 'abandoned');
  }

  function refuse({ cause, frame }: Refused): void {
    metrics.handshake(cause);
    reject(cause, frame);
  }

  async function clientAuth(id: string, frame: Uint8Array): Promise<void> {
    const handshake = handshakes.get(id);
    if (handshake === undefined || handshake.isAnswered) {
      return reject('out_of_order', encodeAlert(undefined, 'invalid_message'));
    }
    handshake.isAnswered = true;
    clearTimeout(handshake.timer);
    const result = await handshake.opening.authenticate(frame);
    handshakes.delete(id);
    release();
    if (result.kind === 'refused') return refuse(result);
    open(result);
  }

  function open(result: OpenedSession): void {
    const live = new LiveSession({
      session: result.session,
      guard: result.guard,
      principal: result.principal,
      peerAddress: connection.peerAddress,
      now: ports.now,
      write: (frame) => connection.write(frame),
      onEnd: (ended, cause) => {
        own.delete(ended);
        sessions.remove(ended);
        ports.onSessionEnd(ended, cause);
      },
    });
    sessions.add(live);
    own.add(live);
    metrics.handshake('opened');
    if (isOver) return live.detach('carrier_closed');
    connection.write(result.frame);
  }

  function messages(sid: Uint8Array, frame: Uint8Array): void {
    const live = sessions.find(toHex(sid));
    // A session lives on the carrier it was opened on; taking it to another is what resume will be for.
    if (live === undefined || !own.has(live)) {
      return reject('unknown_session', encodeAlert(sid, 'unknown_session'));
    }
    const result = ports.pipeline.onFrame(live, frame);
    if (result instanceof Promise) void result.then((settled) => judge(sid, settled));
    else judge(sid, result);
  }

  function judge(sid: Uint8Array, result: FrameResult): void {
    if (result.kind === 'taken') return;
    // A replay was answered, sealed, message by message; anything else gets the one opaque alert.
    reject(result.cause, result.cause === 'replayed' ? undefined : encodeAlert(sid, 'invalid_message'));
  }

  return {
    onFrame(frame) {
      if (isOver) return;
      if (frame.length > MAX_FRAME_BYTES)
        return reject('oversized', encodeAlert(undefined, 'invalid_message'));
      const parsed = parseFrame(frame);
      if (!parsed.ok) return reject(parsed.cause, encodeAlert(undefined, 'invalid_message'));
      switch (parsed.type) {
        case FRAME_TYPE.messages:
          return messages(parsed.sid, frame);
        case FRAME_TYPE.clientHello:
          return void hello(frame);
        case FRAME_TYPE.clientAuth:
          return void clientAuth(toHex(parsed.sid), frame);
        default:
          return reject('unexpected_type', encodeAlert(undefined, 'invalid_message'));
      }
    },
    onDrain() {
      for (const live of own) live.outbox.drained();
    },
    onClose() {
      isOver = true;
      for (const id of handshakes.keys()) abandon(id);
      for (const live of own) live.detach('carrier_closed');
    },
  };
}
