/** A session that is open at this gateway: its keys, who it is, what is under way, what waits to go out. */
import type { KeyObject } from 'node:crypto';
import {
  controlMessage,
  type Acknowledgement,
  type OutgoingMessage,
  type RefusalCode,
  type Session,
} from '@sallyport/channel';
import { toHex } from '@sallyport/crypto';
import type { Principal } from '@sallyport/policy-engine';
import { finalThrough } from '../domain/acknowledgement.ts';
import { refusal } from '../domain/reply.ts';
import { Outbox, type OutboxEnd } from './outbox.ts';
import type { GuardSession, ReceivedState, Sender } from './ports.ts';
import { TakenSequences } from './taken-sequences.ts';
import { UnderWay } from './under-way.ts';

export type LiveSessionInput = {
  readonly session: Session;
  readonly guard: GuardSession;
  /** Keys the digests by which the ledger knows requests again. */
  readonly digestKey: KeyObject;
  readonly principal: Principal;
  readonly peerAddress: string;
  /** Gateway time, ms since the epoch. */
  readonly now: () => number;
  readonly write: (frame: Uint8Array) => void;
  readonly isWritable: () => boolean;
  /** What the whole gateway works on. */
  readonly underWay: UnderWay;
  readonly onEnd: (live: LiveSession, cause: string) => void;
};

/** Acknowledgements keep the client's clock right; this often is enough when nothing else asks for one. */
const ACKNOWLEDGE_EVERY_MS = 1_000;
/** A client has at most 512 unacknowledged messages, and its control messages. */
const LIMITS = { maxMessages: 1024, maxBytes: 64 * 1024 * 1024 } as const;

const CLOSE_CODE = {
  epoch_exhausted: 'epoch_required',
  not_acknowledging: 'busy',
  unsealable: 'internal',
} as const satisfies Record<OutboxEnd, RefusalCode>;

export class LiveSession {
  readonly id: string;
  readonly session: Session;
  readonly guard: GuardSession;
  readonly digestKey: KeyObject;
  readonly principal: Principal;
  readonly peerAddress: string;
  /** The same for its routes. */
  readonly sender: Sender;
  readonly outbox: Outbox;
  /** What came and was not decided by the guard, or refused without it. */
  readonly sequences = new TakenSequences();
  /** Frames that came and are not final; goes on after the session's end, until the last outcome is recorded. */
  readonly underWay: UnderWay;
  /** When the binding ends, whatever the lease says. */
  readonly notAfterMs: number;
  /** When key-service stops vouching for the session key. */
  leaseNotAfterMs: number;
  readonly #input: LiveSessionInput;
  /** Accepted and not yet final. */
  readonly #unfinished = new Set<number>();
  /** The guard was asked since this was last set to false. */
  isFresh = true;
  #received: ReceivedState = { highest: 0, lost: 0, missing: [] };
  #acknowledgedAtMs = 0;
  #acknowledgedThrough = 0;
  /** The highest sequence that no response will acknowledge. */
  #owedThrough = 0;
  /** Something became final since the last acknowledgement. */
  #isNewsFinal = false;
  /** Nothing was said yet in this epoch. */
  #isGreetingOwed = false;
  #isOver = false;

  constructor(input: LiveSessionInput) {
    this.#input = input;
    this.session = input.session;
    this.id = toHex(input.session.sid);
    this.guard = input.guard;
    this.digestKey = input.digestKey;
    this.principal = input.principal;
    this.peerAddress = input.peerAddress;
    this.notAfterMs = input.session.binding.notAfterMs;
    const { principal, peerAddress } = input;
    this.sender = { principal, peerAddress, notAfterMs: this.notAfterMs };
    this.leaseNotAfterMs = input.session.lease.notAfterMs;
    this.underWay = new UnderWay(LIMITS, input.underWay);
    this.outbox = new Outbox({
      session: input.session,
      write: input.write,
      isWritable: input.isWritable,
      acknowledgement: () => this.#acknowledgement(),
      isAcknowledgementDue: () => this.#isAcknowledgementDue(),
      tooLarge: (message) => tooLargeFor(message),
      onExhausted: (cause) => this.end(CLOSE_CODE[cause], cause),
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * What the guard said, in the order of its calls. `owedThrough`: the highest sequence accepted that no response will
   * acknowledge; 0 = none.
   */
  received(state: ReceivedState, accepted: readonly number[], owedThrough: number): void {
    this.isFresh = true;
    if (state.highest >= this.#received.highest) this.#received = state;
    for (const sequence of accepted) this.#unfinished.add(sequence);
    this.#owedThrough = Math.max(this.#owedThrough, owedThrough);
  }

  /** These are final: their outcome is in the spool. The client hears of it by what is pushed or flushed next. */
  finished(sequences: Iterable<number>): void {
    for (const sequence of sequences) this.#unfinished.delete(sequence);
    this.#isNewsFinal = true;
  }

  /** Says something at once: by it the client of a resumed session knows that it was taken on. */
  greet(): void {
    this.#isGreetingOwed = true;
    this.outbox.flush();
  }

  /** Ends the session and tells the client why. What was forwarded goes on to its outcome. Idempotent. */
  end(code: RefusalCode, cause: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.outbox.close();
    const closing = controlMessage({ kind: 'close', code, retryAfterMs: 0, detail: '' });
    const sealed = this.session.sealFrame([closing]);
    if (sealed.ok) this.#input.write(sealed.bytes);
    this.#input.onEnd(this, cause);
  }

  /** The carrier is gone or the client has left: nobody to tell. Idempotent. */
  detach(cause: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.outbox.close();
    this.#input.onEnd(this, cause);
  }

  #isAcknowledgementDue(): boolean {
    return this.#isGreetingOwed || (this.#isNewsFinal && this.#owedThrough > this.#acknowledgedThrough);
  }

  #acknowledgement(): Acknowledgement | undefined {
    const nowMs = this.#input.now();
    if (!this.#isAcknowledgementDue() && nowMs - this.#acknowledgedAtMs < ACKNOWLEDGE_EVERY_MS)
      return undefined;
    let oldest: number | undefined;
    for (const sequence of this.#unfinished) if (sequence < (oldest ?? Infinity)) oldest = sequence;
    const { receivedThrough, missing } = finalThrough(this.#received, oldest);
    this.#acknowledgedAtMs = nowMs;
    this.#acknowledgedThrough = receivedThrough;
    this.#isNewsFinal = false;
    this.#isGreetingOwed = false;
    return { kind: 'ack', receivedThrough, missing, lost: this.#received.lost, gatewayTimeMs: nowMs };
  }
}

/** Its effect stands and its outcome is recorded; only the response cannot be carried. */
function tooLargeFor({ kind, correlation, destination }: OutgoingMessage): OutgoingMessage {
  const { payload } = refusal('response_lost', 'the response does not fit into a frame');
  const isControl = kind === 'control';
  return {
    kind: isControl ? kind : 'refusal',
    correlation,
    destination,
    contentType: '',
    trace: '',
    payload,
  };
}
