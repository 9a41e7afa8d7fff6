/**
 * Resumes under way on one carrier: at most one for a session, the latest; each within 5 seconds and in one of the places
 * that handshakes have too (docs/protocol.md section 4.8). What it does to the session begins with the client's first frame
 * in the new epoch, and nothing is shared between carriers, so that a recorded ResumeHello evicts nobody.
 */
import { encodeAlert, MAX_HANDSHAKE_BYTES, parseFrame } from '@sallyport/channel';
import { toHex } from '@sallyport/crypto';
import type { HalfOpenPlaces } from './half-open.ts';
import type { PipelineMetrics } from './measure.ts';
import type { Refused } from './open-session.ts';
import type { ResumedSession, SessionResuming } from './resume-session.ts';

export type ResumesPorts = {
  /** Undefined when this gateway keeps its sessions to itself. */
  readonly begin: (() => SessionResuming) | undefined;
  readonly places: HalfOpenPlaces;
  readonly metrics: Pick<PipelineMetrics, 'handshake'>;
  readonly write: (frame: Uint8Array) => void;
  /** A bad frame: counted, and answered with `alert`. */
  readonly reject: (cause: string, alert: Uint8Array) => void;
  /** As `reject`, with nothing to say. */
  readonly spoil: (cause: string) => void;
  /** Counted, and no fault of the frame's. */
  readonly count: (cause: string) => void;
  readonly resumed: (session: ResumedSession) => void;
  /** A frame that came while its session was being attached. */
  readonly later: (frame: Uint8Array) => void;
  readonly onDefect: (error: unknown) => void;
};

export type Resumes = {
  resumeHello(sid: Uint8Array, frame: Uint8Array): void;
  /** Takes a frame of messages when its session is being resumed here. */
  messages(id: string, frame: Uint8Array): boolean;
  /** The carrier is gone: what is being attached goes on, and ends at once. */
  close(): void;
};

const TIMEOUT_MS = 5_000;
const BUSY_RETRY_MS = 1_000;
/** An honest client waits until it hears something. */
const MAX_QUEUED = 16;

type Waiting = { readonly resuming: SessionResuming; readonly timer: NodeJS.Timeout };

export function createResumes(ports: ResumesPorts): Resumes {
  const { places, metrics, write, reject, spoil, count } = ports;
  /** Those that have no answer yet, by the newest for each session. */
  const asking = new Map<string, SessionResuming>();
  /** Those that have the gateway's answer and owe their first frame. */
  const waiting = new Map<string, Waiting>();
  /** Those that are being attached, and what came meanwhile. */
  const attaching = new Map<string, Uint8Array[]>();
  let isClosed = false;

  function refuse({ cause, frame }: Refused): void {
    metrics.handshake(`resume_${cause}`);
    reject(cause, frame);
  }

  function abandon(id: string, tell: (cause: string) => void, cause: string): void {
    const known = waiting.get(id);
    if (known === undefined) return;
    clearTimeout(known.timer);
    waiting.delete(id);
    known.resuming.abandon();
    places.leave();
    metrics.handshake('resume_abandoned');
    tell(cause);
  }

  async function hello(begin: () => SessionResuming, id: string, frame: Uint8Array): Promise<void> {
    let isWaiting = false;
    try {
      const resuming = begin();
      asking.set(id, resuming);
      const answer = await resuming.hello(frame);
      const isNewest = asking.get(id) === resuming;
      if (isNewest) asking.delete(id);
      if (answer.kind === 'refused') return refuse(answer);
      // Each costs an agreement and a call, and a recorded hello is good until the client's next resume: not without end.
      if (isNewest) abandon(id, spoil, 'resume_replaced');
      else spoil('resume_replaced');
      // A first frame that came meanwhile was for the one before.
      if (isClosed || !isNewest || attaching.has(id)) return resuming.abandon();
      const timer = setTimeout(() => abandon(id, count, 'resume_abandoned'), TIMEOUT_MS);
      waiting.set(id, { resuming, timer });
      isWaiting = true;
      write(answer.frame);
    } finally {
      if (!isWaiting) places.leave();
    }
  }

  async function attach(id: string, resuming: SessionResuming, frame: Uint8Array): Promise<void> {
    const queue: Uint8Array[] = [];
    attaching.set(id, queue);
    try {
      const result = await resuming.first(frame);
      attaching.delete(id);
      if (result.kind === 'refused') return refuse(result);
      metrics.handshake('resumed');
      ports.resumed(result);
      for (const each of queue) ports.later(each);
    } finally {
      attaching.delete(id);
      places.leave();
    }
  }

  return {
    resumeHello(sid, frame) {
      if (frame.length > MAX_HANDSHAKE_BYTES)
        return reject('oversized', encodeAlert(undefined, 'invalid_message'));
      const { begin } = ports;
      if (begin === undefined) return reject('no_session_record', encodeAlert(sid, 'unknown_session'));
      const id = toHex(sid);
      if (attaching.has(id)) return reject('out_of_order', encodeAlert(sid, 'invalid_message'));
      if (!places.take()) {
        count('busy');
        return write(encodeAlert(sid, 'busy', BUSY_RETRY_MS));
      }
      hello(begin, id, frame).catch(ports.onDefect);
    },
    messages(id, frame) {
      const queue = attaching.get(id);
      if (queue !== undefined) {
        if (queue.length < MAX_QUEUED) queue.push(frame);
        else reject('too_much_under_way', alertFor(frame));
        return true;
      }
      const known = waiting.get(id);
      if (known === undefined) return false;
      clearTimeout(known.timer);
      waiting.delete(id);
      attach(id, known.resuming, frame).catch(ports.onDefect);
      return true;
    },
    close() {
      isClosed = true;
      for (const id of [...waiting.keys()]) abandon(id, count, 'resume_abandoned');
    },
  };
}

function alertFor(frame: Uint8Array): Uint8Array {
  const parsed = parseFrame(frame);
  return encodeAlert(parsed.ok ? parsed.sid : undefined, 'busy', BUSY_RETRY_MS);
}
