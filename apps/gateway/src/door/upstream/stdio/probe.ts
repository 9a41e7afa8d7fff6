/** Asks a server which eras it speaks, in a child of its own that is ended afterwards. */
import type { Era, Message } from '@sallyport/model-context';
import { UpstreamFailure } from '../../ports.ts';
import { DISCOVER, erasOf, INITIALIZE, isSession, isStateless } from '../eras.ts';
import type { Owner } from '../owners.ts';
import type { Children } from './children.ts';
import type { Conversation, Pending } from './conversation.ts';

/** A server of sessions may say nothing to what it does not know (2026-07-28 "stdio", backward compatibility). */
const SILENCE_MS = 5_000;
/** No principal has this name. */
const PROBE = '\0probe' as Owner;

/** Rejects with `UpstreamFailure` when there is no server to ask. */
export async function askEras(
  children: Children,
  startTimeoutMs: number,
  signal: AbortSignal,
): Promise<ReadonlySet<Era>> {
  const together = await tried(children, signal, (conversation) =>
    askBoth(conversation, Math.min(SILENCE_MS, startTimeoutMs / 2), startTimeoutMs),
  );
  if (together !== undefined && together.stateless === false && together.session) return erasOf(false, true);
  // A child that has spoken one era may not speak the other any more; and some end at a question they do not know.
  const session = await tried(children, signal, async (conversation) =>
    isSession(await answer(conversation.ask(INITIALIZE), startTimeoutMs)),
  );
  if (together === undefined && session === undefined)
    throw new UpstreamFailure('unreachable', 'the server ends before it answers');
  return erasOf(together?.stateless, session ?? false);
}

/** Undefined: the child ended. */
async function tried<T>(
  children: Children,
  signal: AbortSignal,
  ask: (conversation: Conversation) => Promise<T>,
): Promise<T | undefined> {
  const served = await children.start(PROBE, 'session', signal, 'probe');
  const stop = (): void => void served.stop('ended');
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await ask(served.conversation);
  } catch (error) {
    if (error instanceof UpstreamFailure && error.problem === 'broke_off') return undefined;
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

/** One after the other in one child; both at once where the first is met with silence. */
async function askBoth(
  conversation: Conversation,
  silenceMs: number,
  withinMs: number,
): Promise<{ readonly stateless: boolean | undefined; readonly session: boolean }> {
  const discovering = conversation.ask(DISCOVER);
  const early = await answer(discovering, silenceMs);
  const stateless = isStateless(early);
  if (early !== undefined && stateless !== false) return { stateless, session: false };
  const initializing = answer(conversation.ask(INITIALIZE), withinMs);
  if (early !== undefined) return { stateless, session: isSession(await initializing) };
  const slow = answer(discovering, withinMs).then((found) =>
    found === undefined ? new Promise<never>(() => undefined) : found,
  );
  const found = await Promise.race([initializing, slow]);
  if (found === undefined) throw new UpstreamFailure('timeout', `the server said nothing for ${withinMs} ms`);
  return { stateless: isStateless(found), session: isSession(found) };
}

async function answer({ outlet }: Pending, ms: number): Promise<Message | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), ms);
  try {
    await Promise.race([outlet.ready(), late.promise]);
    return outlet.peek() === undefined && !outlet.isOver ? undefined : (await outlet.take())?.message;
  } finally {
    clearTimeout(timer);
  }
}
