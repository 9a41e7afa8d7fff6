/**
 * One carrier connection: its frames are told apart by type and session, and a peer that sends rubbish is cut off.
 * Sessions on the same connection do not harm each other: what is wrong with a frame ends at most the connection, and a
 * connection whose buffer is full takes from its sessions in turn.
 */
import { encodeAlert, FRAME_TYPE, parseFrame } from '@sallyport/channel';
import { toHex } from '@sallyport/crypto';
import { halfOpenPlaces, type HalfOpen } from './half-open.ts';
import { createHandshakes } from './handshakes.ts';
import { LiveSession } from './live-session.ts';
import type { PipelineMetrics } from './measure.ts';
import type { OpenedSession, SessionOpening } from './open-session.ts';
import type { Pipeline } from './pipeline.ts';
import type { Rejections } from './rejections.ts';
import type { ResumedSession, SessionResuming } from './resume-session.ts';
import { createResumes } from './resumes.ts';
import type { Sessions } from './sessions.ts';

export type CarrierPorts = {
  readonly beginSession: (peer: { address: string; exporter: Uint8Array | undefined }) => SessionOpening;
  /** Absent where sessions live and die with their connection. */
  readonly beginResume?: (peer: { exporter: Uint8Array | undefined }) => SessionResuming;
  readonly pipeline: Pick<Pipeline, 'onFrame' | 'onOpened'>;
  readonly sessions: Sessions;
  readonly rejections: Pick<Rejections, 'count'>;
  readonly metrics: Pick<PipelineMetrics, 'handshake'>;
  readonly halfOpen: HalfOpen;
  readonly now: () => number;
  readonly onSessionEnd: (live: LiveSession, cause: string) => void;
  readonly onDefect: (error: unknown) => void;
};

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
  /** The client will send no more: what is under way is answered, then the connection ends. */
  onEnd(): void;
  onClose(): void;
  /** Ends the connection from this side. */
  end(): void;
};

/** docs/protocol.md section 8.1. */
const MAX_BAD_FRAMES = 16;
/** Without a session for this long it only takes a place. */
const IDLE_MS = 30_000;
/** Sessions that ended on this carrier and whose last frames may still come. */
const MAX_FORMER = 256;

export function createCarrier(ports: CarrierPorts, connection: Connection): Carrier {
  const { sessions, rejections } = ports;
  const { peerAddress } = connection;
  /** The sessions opened here, by id in hex; when the buffer is full they take turns in this order. */
  const own = new Map<string, LiveSession>();
  const former = new Set<string>();
  let badFrames = 0;
  let isBlocked = false;
  let isOver = false;
  let idleTimer = setTimeout(idle, IDLE_MS);

  const places = halfOpenPlaces(ports.halfOpen);
  const count = (cause: string): void => rejections.count(peerAddress, cause);

  function write(frame: Uint8Array): void {
    if (!isOver) isBlocked = !connection.write(frame);
  }

  function reject(cause: string, alert: Uint8Array): void {
    write(alert);
    spoil(cause);
  }

  /** Says nothing to the sender. */
  function spoil(cause: string): void {
    count(cause);
    badFrames += 1;
    if (badFrames >= MAX_BAD_FRAMES) end();
  }

  const handshakes = createHandshakes({
    begin: () => ports.beginSession({ address: peerAddress, exporter: exporterOf(connection) }),
    places,
    metrics: ports.metrics,
    write,
    reject,
    count,
    opened: (opened) => {
      if (add(opened) !== undefined) write(opened.frame);
    },
    onDefect: ports.onDefect,
  });
  const { beginResume } = ports;
  const resumes = createResumes({
    begin: beginResume && (() => beginResume({ exporter: exporterOf(connection) })),
    places,
    metrics: ports.metrics,
    write,
    reject,
    spoil,
    count,
    resumed: (resumed) => {
      // Attached here too: only the later attachment is one, whichever was recorded first.
      const known = sessions.find(resumed.guard.sessionId);
      if (known !== undefined && known.guard.generation > resumed.guard.generation) {
        resumed.session.leaveEpoch();
        resumed.share.leave();
        return;
      }
      known?.end('superseded', 'superseded');
      const live = add(resumed);
      if (live !== undefined) ports.pipeline.onOpened(live, resumed.first);
    },
    later: (frame) => carrier.onFrame(frame),
    onDefect: ports.onDefect,
  });

  /** Undefined when the carrier is gone meanwhile. */
  function add(opened: OpenedSession | ResumedSession): LiveSession | undefined {
    const live = new LiveSession({
      session: opened.session,
      guard: opened.guard,
      digestKey: opened.digestKey,
      principal: opened.principal,
      peerAddress,
      now: ports.now,
      write,
      isWritable: () => !isBlocked && !isOver,
      underWay: opened.share.underWay,
      onEnd: (ended, cause) => {
        opened.share.leave();
        forget(ended, cause);
      },
    });
    sessions.add(live);
    own.set(live.id, live);
    former.delete(live.id);
    if (isOver) {
      live.detach('carrier_closed');
      return undefined;
    }
    clearTimeout(idleTimer);
    return live;
  }

  function idle(): void {
    count('idle');
    end();
  }

  function forget(live: LiveSession, cause: string): void {
    if (own.get(live.id) === live) own.delete(live.id);
    if (own.size === 0 && !isOver) {
      clearTimeout(idleTimer);
      idleTimer = setTimeout(idle, IDLE_MS);
    }
    sessions.remove(live);
    former.add(live.id);
    for (const oldest of former) {
      if (former.size <= MAX_FORMER) break;
      former.delete(oldest);
    }
    ports.onSessionEnd(live, cause);
  }

  function messages(sid: Uint8Array, frame: Uint8Array): void {
    const id = toHex(sid);
    if (resumes.messages(id, frame)) return;
    // A session lives on the carrier that it was opened or last resumed on.
    const live = own.get(id);
    if (live !== undefined) {
      const cause = ports.pipeline.onFrame(live, frame);
      if (cause !== undefined) reject(cause, encodeAlert(sid, 'invalid_message'));
    } else if (former.has(id)) {
      // Sent before its client could hear of the end: refused, and no reason to cut off the others.
      count('session_ended');
      write(encodeAlert(sid, 'unknown_session'));
    } else {
      reject('unknown_session', encodeAlert(sid, 'unknown_session'));
    }
  }

  function close(): void {
    if (isOver) return;
    isOver = true;
    clearTimeout(idleTimer);
    handshakes.close();
    resumes.close();
    for (const live of [...own.values()]) live.detach('carrier_closed');
  }

  function end(): void {
    close();
    connection.end();
  }

  const carrier: Carrier = {
    onFrame(frame) {
      if (isOver) return;
      const parsed = parseFrame(frame);
      if (!parsed.ok) return reject(parsed.cause, encodeAlert(undefined, 'invalid_message'));
      switch (parsed.type) {
        case FRAME_TYPE.messages:
          return messages(parsed.sid, frame);
        case FRAME_TYPE.clientHello:
          return handshakes.clientHello(frame);
        case FRAME_TYPE.clientAuth:
          return handshakes.clientAuth(parsed.sid, frame);
        case FRAME_TYPE.resumeHello:
          return resumes.resumeHello(parsed.sid, frame);
        case FRAME_TYPE.alert:
          // No alert is sent in answer to an alert (docs/protocol.md section 9.3).
          return count('alert');
        default:
          return reject('unexpected_type', encodeAlert(undefined, 'invalid_message'));
      }
    },
    onDrain() {
      isBlocked = false;
      for (const [id, live] of [...own]) {
        if (isBlocked || isOver) return;
        own.delete(id);
        own.set(id, live);
        live.outbox.flush();
      }
    },
    onEnd() {
      const last = [...own.values()].map(({ underWay }) => underWay.idle());
      Promise.all(last).then(end).catch(ports.onDefect);
    },
    onClose: close,
    end,
  };
  return carrier;
}

/** A connection that is going away has nothing to export. */
function exporterOf(connection: Connection): Uint8Array | undefined {
  try {
    return connection.exporter();
  } catch {
    return undefined;
  }
}
