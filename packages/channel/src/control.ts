/**
 * Payloads of control messages (kind 5, docs/protocol.md section 9.2). Type 3 (rekey) is reserved: a receiver of version 1
 * without it refuses the message.
 */
import { concatBytes } from '@sallyport/crypto';
import { failure, type Failure, type ShapeCause } from './causes.ts';
import { CORRELATION_LENGTH } from './constants.ts';
import { encodeRefusal, parseRefusal, type Refusal } from './refusal.ts';
import type { OutgoingMessage } from './seal-frame.ts';
import type { SequenceRange } from './sequence-window.ts';
import { Reader, u16, u64, u8 } from './wire.ts';

const CONTROL = Object.freeze({ ack: 1, close: 2, finished: 4 });
const MAC_LENGTH = 32;
export const MAX_ACK_RANGES = 32;

export interface Acknowledgement {
  readonly kind: 'ack';
  /** The highest sequence accepted: everything up to it is final, but for what `missing` names. */
  readonly receivedThrough: number;
  /** How many sequences were lost for good in the session so far. */
  readonly lost: number;
  /** Gateway time at the sender of the ack. */
  readonly gatewayTimeMs: number;
  /** Up to 32 ranges, ascending, below `receivedThrough`, that have not come. */
  readonly missing: readonly SequenceRange[];
}

/** The client's proof that it resumed: the first record of the first frame of an epoch, and nowhere else. */
export interface Finished {
  readonly kind: 'finished';
  /** 32 bytes. */
  readonly mac: Uint8Array;
}

export type Control = Acknowledgement | ({ readonly kind: 'close' } & Refusal) | Finished;

export function encodeControl(control: Control): Uint8Array {
  if (control.kind === 'close') return concatBytes(u8(CONTROL.close), encodeRefusal(control));
  if (control.kind === 'finished') return concatBytes(u8(CONTROL.finished), control.mac);
  if (control.missing.length > MAX_ACK_RANGES)
    throw new RangeError(`an ack names at most ${MAX_ACK_RANGES} ranges`);
  return concatBytes(
    u8(CONTROL.ack),
    u64(control.receivedThrough),
    u64(control.lost),
    u64(control.gatewayTimeMs),
    u8(control.missing.length),
    ...control.missing.flatMap(({ first, count }) => [u64(first), u16(count)]),
  );
}

/** Total. A reserved or unknown type is `unknown_type`. */
export function parseControl(payload: Uint8Array): { ok: true; control: Control } | Failure<ShapeCause> {
  const [type] = payload;
  if (type === undefined) return failure('truncated');
  if (type === CONTROL.close) {
    const refusal = parseRefusal(payload.subarray(1));
    return refusal.ok ? { ok: true, control: { ...refusal, kind: 'close' } } : refusal;
  }
  if (type === CONTROL.finished) return parseFinished(payload);
  return type === CONTROL.ack ? parseAck(payload) : failure('unknown_type');
}

/** A control message ready for `sealFrame`. */
export function controlMessage(control: Control): OutgoingMessage {
  return {
    kind: 'control',
    correlation: new Uint8Array(CORRELATION_LENGTH),
    destination: '',
    contentType: '',
    trace: '',
    payload: encodeControl(control),
  };
}

function parseFinished(payload: Uint8Array): { ok: true; control: Control } | Failure<ShapeCause> {
  const reader = new Reader(payload, 1);
  const mac = reader.bytes(MAC_LENGTH);
  const cause = reader.end();
  return cause === undefined ? { ok: true, control: { kind: 'finished', mac } } : failure(cause);
}

function parseAck(payload: Uint8Array): { ok: true; control: Control } | Failure<ShapeCause> {
  const reader = new Reader(payload, 1);
  const receivedThrough = reader.u64();
  const lost = reader.u64();
  const gatewayTimeMs = reader.u64();
  const count = reader.u8();
  if (count > MAX_ACK_RANGES) reader.fail('bad_count');
  const missing: SequenceRange[] = [];
  let next = 1;
  for (let at = 0; at < count && reader.cause === undefined; at += 1) {
    const range = { first: reader.u64(), count: reader.u16() };
    if (range.first < next || range.count < 1 || range.first + range.count > receivedThrough)
      reader.fail('bad_field');
    next = range.first + range.count + 1; // ranges that touch would be one
    missing.push(range);
  }
  const cause = reader.end();
  if (cause !== undefined) return failure(cause);
  return { ok: true, control: { kind: 'ack', receivedThrough, lost, gatewayTimeMs, missing } };
}
