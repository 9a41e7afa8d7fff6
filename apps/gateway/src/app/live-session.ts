/** A session that is open at this gateway: its keys, who it is, what is under way, what waits to go out. */
import {
  controlMessage,
  type Acknowledgement,
  type OutgoingMessage,
  type RefusalCode,
  type Session,
} from '@sallyport/channel';
import { toHex } from '@sallyport/crypto';
import type { Principal } from '@sallyport/policy-engine';
import { refusal } from '../domain/reply.ts';
import { Outbox } from './outbox.ts';
import type { GuardSession, ReceivedState } from './ports.ts';

export type LiveSessionInput = {
  readonly session: Session;
  readonly guard: GuardSession;
  readonly principal: Principal;
  readonly peerAddress: string;
  /** Gateway time, ms since the epoch. */
  readonly now: () => number;
  readonly write: (frame: Uint8Array) => boolean;
  readonly onEnd: (live: LiveSession, cause: string) => void;
};

/** Acknowledgements keep the client's clock right; this often is enough when nothing else asks for one. */
const ACKNOWLEDGE_EVERY_MS = 1_000;

export class LiveSession {
  readonly id: string;
  readonly session: Session;
  readonly guard: GuardSession;
  readonly principal: Principal;
  readonly peerAddress: string;
  readonly outbox: Outbox;
  /** Aborts when the session ends: routes may stop. */
  readonly ended = new AbortController();
  /** When key-service stops vouching for the session key. */
  leaseNotAfterMs: number;
  readonly #input: LiveSessionInput;
  /** Accepted and not yet final. */
  readonly #unfinished = new Set<number>();
  #received: ReceivedState = { highest: 0, lost: 0, missing: [] };
  #acknowledgedAtMs = 0;
  #isAcknowledgementDue = false;

  constructor(input: LiveSessionInput) {
    this.#input = input;
    this.session = input.session;
    this.id = toHex(input.session.sid);
    this.guard = input.guard;
    this.principal = input.principal;
    this.peerAddress = input.peerAddress;
    this.leaseNotAfterMs = input.session.lease.notAfterMs;
    this.outbox = new Outbox({
      session: input.session,
      write: input.write,
      acknowledgement: () => this.#acknowledgement(),
      tooLarge: (message) => tooLargeFor(message),
      onExhausted: (cause) => this.end('busy', cause),
    });
  }

  get isOver(): boolean {
    return this.ended.signal.aborted;
  }

  get inFlight(): number {
    return this.#unfinished.size;
  }

  /** `needsAcknowledgement`: something was accepted that no response will acknowledge. */
  received(state: ReceivedState, accepted: readonly number[], needsAcknowledgement: boolean): void {
    this.#received = state;
    for (const sequence of accepted) this.#unfinished.add(sequence);
    if (needsAcknowledgement) this.#isAcknowledgementDue = true;
  }

  /** These are final: their outcome is in the spool. */
  finished(sequences: readonly number[]): void {
    for (const sequence of sequences) this.#unfinished.delete(sequence);
    if (this.#isAcknowledgementDue && this.outbox.waiting === 0) this.outbox.acknowledge();
  }

  /** Ends the session and tells the client why. Idempotent. */
  end(code: RefusalCode, cause: string): void {
    if (this.isOver) return;
    this.ended.abort();
    this.outbox.close();
    const closing = controlMessage({ kind: 'close', code, retryAfterMs: 0, detail: '' });
    const sealed = this.session.sealFrame([closing]);
    if (sealed.ok) this.#input.write(sealed.bytes);
    this.#input.onEnd(this, cause);
  }

  /** The carrier is gone: nobody to tell. */
  detach(cause: string): void {
    if (this.isOver) return;
    this.ended.abort();
    this.outbox.close();
    this.#input.onEnd(this, cause);
  }

  /** What may be called final: everything below the oldest message still under way (PROTOCOL.md "Acknowledged = final"). */
  #acknowledgement(): Acknowledgement | undefined {
    const nowMs = this.#input.now();
    if (!this.#isAcknowledgementDue && nowMs - this.#acknowledgedAtMs < ACKNOWLEDGE_EVERY_MS)
      return undefined;
    this.#acknowledgedAtMs = nowMs;
    this.#isAcknowledgementDue = false;
    const { highest, lost, missing } = this.#received;
    const oldest = this.#unfinished.size === 0 ? highest + 1 : Math.min(...this.#unfinished);
    const receivedThrough = Math.min(highest, oldest - 1);
    return {
      kind: 'ack',
      receivedThrough,
      lost,
      gatewayTimeMs: nowMs,
      missing: missing.filter((range) => range.first + range.count <= receivedThrough),
    };
  }
}

function tooLargeFor(message: OutgoingMessage): OutgoingMessage {
  const { payload } = refusal('response_lost', 'the response does not fit into a frame');
  return { ...message, kind: 'refusal', contentType: '', payload };
}
