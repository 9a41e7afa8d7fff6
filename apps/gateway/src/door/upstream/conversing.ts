/**
 * A server with which the gateway holds conversations of its own, as a server behind Streamable HTTP: each `initialize` gets one
 * and a session id; callers of 2026-07-28 share one per principal and tenant. None ever serves two principals.
 */
import { toBase64url } from '@sallyport/crypto';
import {
  errorResponse,
  eraOf,
  INVALID_REQUEST,
  isRequest,
  type Message,
  type Request,
} from '@sallyport/model-context';
import { UpstreamFailure, type Call, type Exchange, type MessageCall, type Upstream } from '../ports.ts';
import { DISCOVER, RememberedEras } from './eras.ts';
import { nothing, one } from './exchanges.ts';
import { Admission, ownerOf, type Owner } from './owners.ts';
import type { UpstreamPorts } from './ports.ts';
import type { Children, Served } from './stdio/children.ts';
import { answerTo, listening, type Reading } from './stdio/exchange.ts';
import { askEras } from './stdio/probe.ts';

/** Of a session id: nobody guesses one. */
const SESSION_BYTES = 32;
const NO_SESSION =
  'Mcp-Session-Id is required: begin with initialize, or speak revision 2026-07-28, which has no sessions.';

export type ConversingOptions = {
  readonly maxConcurrent: number;
  readonly maxPerPrincipal: number;
  readonly startTimeoutMs: number;
  /** How long what the server speaks is believed. */
  readonly erasKeptMs: number;
};

/** `begin` gives those with whom to converse; it is told what to call when one of them ends. */
export function conversing(
  begin: (onEnd: (served: Served) => void) => Children,
  options: ConversingOptions,
  {
    route,
    meter,
    monotonic,
    randomBytes,
  }: Pick<UpstreamPorts, 'route' | 'meter' | 'monotonic' | 'randomBytes'>,
): Upstream {
  const sessions = new Map<string, Served>();
  const ids = new Map<Served, string>();
  const shared = new Map<Owner, Promise<Served>>();
  const exchanges = new Admission(options.maxConcurrent, options.maxPerPrincipal, 'exchanges under way');
  const children = begin((served) => {
    const id = ids.get(served);
    if (id !== undefined) sessions.delete(id);
    ids.delete(served);
    void forget(served);
  });
  const eras = new RememberedEras(
    (signal) => askEras(children, options.startTimeoutMs, signal),
    options.erasKeptMs,
    monotonic,
  );

  /** Counted from here; `begin` gives what is read. Throws `UpstreamFailure`. */
  function reading(call: Call, begin: () => Omit<Reading, 'signal' | 'onEnd'>): Reading {
    const release = admitted(ownerOf(call.caller));
    meter.underWay(1);
    const onEnd: Reading['onEnd'] = (end) => {
      release();
      meter.underWay(-1);
      meter.exchange(end);
    };
    try {
      return { ...begin(), signal: call.signal, onEnd };
    } catch (error) {
      onEnd(error instanceof UpstreamFailure ? error.problem : 'broke_off');
      throw error;
    }
  }

  function admitted(owner: Owner): () => void {
    try {
      return exchanges.enter(owner);
    } catch (error) {
      meter.exchange('busy');
      throw error;
    }
  }

  async function converse({ conversation }: Served, call: MessageCall): Promise<Exchange> {
    const { message, revision } = call;
    if (isRequest(message))
      return answerTo(
        reading(call, () => conversation.ask(message)),
        eraOf(revision),
      );
    conversation.tell(message);
    return nothing(202);
  }

  async function open(call: MessageCall, message: Request): Promise<Exchange> {
    const owner = ownerOf(call.caller);
    const served = await children.start(owner, 'session', call.signal);
    let exchange: Exchange;
    let answer: Message | undefined;
    try {
      exchange = await answerTo(
        reading(call, () => served.conversation.ask(message)),
        'session',
      );
      for await (const event of exchange.messages) answer = event.message;
    } catch (error) {
      void served.stop('ended');
      throw error;
    }
    if (answer === undefined || !('result' in answer)) {
      void served.stop('ended');
      if (answer === undefined) throw new UpstreamFailure('broke_off', 'the server did not answer');
      return one(200, answer);
    }
    const id = toBase64url(randomBytes(SESSION_BYTES));
    // It may have ended with its answer.
    if (!served.conversation.isOver) {
      sessions.set(id, served);
      ids.set(served, id);
    }
    return one(200, answer, id);
  }

  /** The caller's, or undefined: nobody learns that it is another's. */
  function sessionOf({ sessionId, caller }: Call): Served | undefined {
    const served = sessionId === undefined ? undefined : sessions.get(sessionId);
    return served === undefined || served.owner !== ownerOf(caller) || served.isLeaving ? undefined : served;
  }

  async function sharedChild(owner: Owner, signal: AbortSignal): Promise<Served> {
    const known = shared.get(owner);
    const served = await known?.catch(() => undefined);
    if (served !== undefined && !served.isLeaving && !served.conversation.isOver) return served;
    // Whoever waited for the same may have been first.
    const newer = shared.get(owner);
    if (newer !== undefined && newer !== known) return newer;
    const starting = startShared(owner, signal);
    shared.set(owner, starting);
    starting.catch(() => {
      if (shared.get(owner) === starting) shared.delete(owner);
    });
    return starting;
  }

  async function forget(served: Served): Promise<void> {
    const known = shared.get(served.owner);
    if ((await known?.catch(() => undefined)) === served && shared.get(served.owner) === known)
      shared.delete(served.owner);
  }

  /** It has answered once: only then does a request's own time begin. */
  async function startShared(owner: Owner, signal: AbortSignal): Promise<Served> {
    const served = await children.start(owner, 'stateless', signal);
    const { outlet } = served.conversation.ask(DISCOVER);
    await outlet.take();
    return served;
  }

  return {
    route,
    async send(call) {
      const { message, revision, caller } = call;
      if (eraOf(revision) === 'stateless') {
        // What is told to nobody needs no child.
        if (!isRequest(message) && !shared.has(ownerOf(caller))) return nothing(202);
        return converse(await sharedChild(ownerOf(caller), call.signal), call);
      }
      if (isRequest(message) && message.method === 'initialize') return open(call, message);
      // Whoever writes requests by hand is told, rather than left with a bare status.
      if (call.sessionId === undefined)
        return isRequest(message)
          ? one(400, errorResponse(message.id, INVALID_REQUEST, NO_SESSION))
          : nothing(400);
      const served = sessionOf(call);
      return served === undefined ? nothing(404) : converse(served, call);
    },
    async listen(call) {
      if (eraOf(call.revision) === 'stateless') return nothing(405);
      if (call.sessionId === undefined) return nothing(400);
      const served = sessionOf(call);
      if (served === undefined) return nothing(404);
      const { conversation } = served;
      return listening(
        reading(call, () => {
          const outlet = conversation.listen();
          return { outlet, abandon: () => conversation.unlisten(outlet) };
        }),
      );
    },
    async end(call) {
      if (eraOf(call.revision) === 'stateless') return nothing(405);
      const served = sessionOf(call);
      if (served === undefined) return nothing(404);
      void served.stop('ended');
      return nothing(200);
    },
    eras: (signal) => eras.get(signal),
    trouble: () => children.trouble(),
    async [Symbol.asyncDispose]() {
      eras.stop();
      await children[Symbol.asyncDispose]();
    },
  };
}
