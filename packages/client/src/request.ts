/** What a caller may ask for and is told, and what cannot be sent. */
import type { OutgoingMessage, SessionLimits } from '@sallyport/channel';
import { ChannelError } from './errors.ts';
import { sizesOf } from './sender.ts';
import type { ClientTracer } from './tracing.ts';

export type RequestOptions = {
  /** Default `application/octet-stream`. Up to 255 printable ASCII characters. */
  readonly contentType?: string;
  /** Default 30,000. */
  readonly timeoutMs?: number;
  /** W3C traceparent, handed through. */
  readonly traceparent?: string;
  /** Gives the request up; where it left already, it may still take effect. */
  readonly signal?: AbortSignal;
};

export type Response = {
  readonly contentType: string;
  readonly body: Uint8Array;
  /** Hex: names the message in the audit log. */
  readonly correlation: string;
};

export type ChannelCounts = {
  /** Requests that left, resends included. */
  readonly sent: number;
  /** Frames that carried them. */
  readonly frames: number;
  /** Messages of the gateway that were taken, acknowledgements included. */
  readonly received: number;
  /** Frames of the gateway that did not open or verify, and messages that came twice: none in an honest session. */
  readonly rejected: number;
  /** How often the session went on with another connection. */
  readonly resumes: number;
};

/** `open`: what is asked leaves. `resuming`: it waits for the next connection. `closed`: nothing goes any more. */
export type ChannelState = 'open' | 'resuming' | 'closed';

export type ChannelOptions = {
  /** Messages per frame once frames queue up; 1 to 256. */
  readonly batch: number;
  /** Requests that may wait to leave. */
  readonly maxWaiting: number;
  readonly tracer?: ClientTracer | undefined;
  /** Told of each change. Must not throw. */
  readonly onState?: ((state: ChannelState) => void) | undefined;
};

export const DEFAULT_TIMEOUT_MS = 30_000;
// The longest that setTimeout keeps.
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
const TEXT = /^[\x20-\x7e]{0,255}$/u;

/** Why the request can never be sent like this; undefined when it can. */
export function problemWith(
  message: OutgoingMessage,
  { timeoutMs = DEFAULT_TIMEOUT_MS, signal }: RequestOptions,
  { maxFrameBytes, maxHeaderBytes }: Pick<SessionLimits, 'maxFrameBytes' | 'maxHeaderBytes'>,
): ChannelError | undefined {
  const wrong = (text: string): ChannelError => new ChannelError('usage', 'invalid_request', text);
  if (signal?.aborted === true) return new ChannelError('closed', 'closed', 'the request was given up');
  if (!(timeoutMs > 0 && timeoutMs <= MAX_TIMEOUT_MS)) return wrong('timeoutMs is 1 to 2^31 - 1');
  if (message.destination === '' || !TEXT.test(message.destination)) {
    return wrong('a destination is 1 to 255 printable ASCII characters');
  }
  if (!TEXT.test(message.contentType)) {
    return wrong('a content type is printable ASCII, at most 255 characters');
  }
  if (!TEXT.test(message.trace)) return wrong('a traceparent is printable ASCII, at most 255 characters');
  const { headerBytes, frameBytes } = sizesOf(message);
  if (headerBytes > maxHeaderBytes) {
    return wrong(`the gateway takes headers of ${maxHeaderBytes} bytes at most`);
  }
  if (frameBytes <= maxFrameBytes) return undefined;
  const most = Math.max(0, maxFrameBytes - frameBytes + message.payload.length);
  const text = `a message has at most ${most} bytes here, this one ${message.payload.length}`;
  return new ChannelError('usage', 'too_large', text);
}
