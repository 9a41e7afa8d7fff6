/** What a session and its way to the next connection know of each other. */
import type { ResumedByClient, Session } from '@sallyport/channel';
import type { Link } from './carrier.ts';
import { ChannelError } from './errors.ts';

/** A session that can go on with another connection. */
export type Resumable = {
  /** Hex. */
  readonly sessionId: string;
  /** Why it is over; undefined while it is not. */
  readonly closedBy: ChannelError | undefined;
  /** What a resume begins with. The epoch is left as it starts. */
  forResume(): { readonly session: Session; readonly receivedThrough: number };
  /** Says the first word in the new epoch. Nothing else leaves before the gateway is heard in it. */
  attach(resumed: ResumedByClient, link: Link): void;
  /** `onHeard` is called for the first good frame after a resume. Never throws. */
  onFrame(frame: Uint8Array, onHeard?: () => void): void;
  onDrain(): void;
  lost(error: ChannelError): void;
  end(error: ChannelError): void;
  sayGoodbye(): void;
};

/** The way to the next connection. */
export type Resumer = {
  /** Undefined when the session goes on; else why it does not. Never rejects. */
  run(session: Resumable, signal: AbortSignal): Promise<string | undefined>;
  /** The gateway there wants to be left. */
  leaveGateway(): void;
  /** The session is over: what was there for it alone is not needed any more. */
  ended(): void;
};

/** The reason of the loss, with why it was final. Callers branch on kind and code as they do where nothing is resumed. */
export function notResumed(reason: ChannelError, problem: string): ChannelError {
  const { kind, code, message, retryAfterMs = 0 } = reason;
  const text = `${message}; the session could not be resumed: ${problem}`;
  return new ChannelError(kind, code, text, { retryAfterMs, cause: reason });
}
