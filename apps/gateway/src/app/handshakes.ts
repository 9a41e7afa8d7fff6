/**
 * Handshakes under way on one carrier (PROTOCOL.md "Half-open"): at most 8, each within 5 seconds, and no more than the
 * gateway allows in total. One that was abandoned after the gateway's proof is counted: it may be a search for keys.
 */
import { encodeAlert, MAX_HANDSHAKE_BYTES } from '@sallyport/channel';
import { toHex } from '@sallyport/crypto';
import type { HalfOpenPlaces } from './half-open.ts';
import type { PipelineMetrics } from './measure.ts';
import type { OpenedSession, Refused, SessionOpening } from './open-session.ts';

export type HandshakePorts = {
  readonly begin: () => SessionOpening;
  readonly places: HalfOpenPlaces;
  readonly metrics: Pick<PipelineMetrics, 'handshake'>;
  readonly write: (frame: Uint8Array) => void;
  /** A bad frame: counted, and answered with `alert`. */
  readonly reject: (cause: string, alert: Uint8Array) => void;
  /** Counted, and no fault of the frame's. */
  readonly count: (cause: string) => void;
  readonly opened: (session: OpenedSession) => void;
  readonly onDefect: (error: unknown) => void;
};

export type Handshakes = {
  clientHello(frame: Uint8Array): void;
  clientAuth(sid: Uint8Array, frame: Uint8Array): void;
  /** The carrier is gone: what is being judged goes on, and opens nothing. */
  close(): void;
};

const HANDSHAKE_TIMEOUT_MS = 5_000;
const BUSY_RETRY_MS = 1_000;

type Waiting = { readonly opening: SessionOpening; readonly timer: NodeJS.Timeout };

export function createHandshakes(ports: HandshakePorts): Handshakes {
  const { places, metrics, write, reject, count } = ports;
  /** Those that have the gateway's proof and owe theirs, by session id. */
  const waiting = new Map<string, Waiting>();
  let isClosed = false;

  function refuse({ cause, frame }: Refused): void {
    metrics.handshake(cause);
    reject(cause, frame);
  }

  async function hello(frame: Uint8Array): Promise<void> {
    let isWaiting = false;
    try {
      const opening = ports.begin();
      const answer = await opening.hello(frame);
      if (answer.kind === 'refused') return refuse(answer);
      const id = opening.sessionId();
      if (isClosed || id === undefined) return;
      waiting.set(id, { opening, timer: setTimeout(() => abandon(id), HANDSHAKE_TIMEOUT_MS) });
      isWaiting = true;
      write(answer.frame);
    } finally {
      if (!isWaiting) places.leave();
    }
  }

  function abandon(id: string): void {
    const handshake = waiting.get(id);
    if (handshake === undefined) return;
    clearTimeout(handshake.timer);
    waiting.delete(id);
    places.leave();
    metrics.handshake('abandoned');
    count('abandoned');
  }

  async function judge(opening: SessionOpening, frame: Uint8Array): Promise<void> {
    try {
      const result = await opening.authenticate(frame);
      if (result.kind === 'refused') return refuse(result);
      metrics.handshake('opened');
      ports.opened(result);
    } finally {
      places.leave();
    }
  }

  return {
    clientHello(frame) {
      if (frame.length > MAX_HANDSHAKE_BYTES)
        return reject('oversized', encodeAlert(undefined, 'invalid_message'));
      if (!places.take()) {
        count('busy');
        return write(encodeAlert(undefined, 'busy', BUSY_RETRY_MS));
      }
      hello(frame).catch(ports.onDefect);
    },
    clientAuth(sid, frame) {
      const id = toHex(sid);
      const handshake = waiting.get(id);
      // Unknown, over, or answered already: each message counts once.
      if (handshake === undefined) return reject('out_of_order', encodeAlert(sid, 'invalid_message'));
      clearTimeout(handshake.timer);
      waiting.delete(id);
      judge(handshake.opening, frame).catch(ports.onDefect);
    },
    close() {
      isClosed = true;
      for (const id of [...waiting.keys()]) abandon(id);
    },
  };
}
