/** The sessions of one attached server: each a conversation of its own, as a child process has it. */
import { randomBytes, toHex } from '@sallyport/crypto';
import type { ModelContextLine } from '@sallyport/channel';
import type { Era } from '@sallyport/model-context';
import { UpstreamFailure } from '../ports.ts';
import { Admission, type Owner } from '../upstream/owners.ts';
import { Conversation, type ConversationOptions } from '../upstream/stdio/conversation.ts';
import type { Children, Served } from '../upstream/stdio/children.ts';
import type { Mail } from './mail.ts';

export type ServedSessionsPorts = Omit<ConversationOptions, 'era'> & {
  readonly maxSessions: number;
  readonly maxPerPrincipal: number;
  /** Of what the server has not asked for yet. */
  readonly maxPendingBytes: number;
  /** Without a request or a listener: the session is ended. */
  readonly idleEndMs: number;
  readonly onEnd: (served: Served) => void;
};

export type ServedSessions = Children & {
  /** Says what the server said; of a session that is no more, nothing. */
  hear(line: ModelContextLine): void;
  /** Resolves when what was heard is taken, or after `ms`. */
  drained(ms: number): Promise<void>;
  endAll(failure: UpstreamFailure): void;
};

type Session = {
  readonly served: Served;
  readonly end: (failure?: UpstreamFailure) => void;
  isPaused: boolean;
};

const ID_BYTES = 16;
const DRAIN_LOOK_MS = 20;

/** `mail` of the attachment there is now. */
export function servedSessions(ports: ServedSessionsPorts, mail: () => Mail | undefined): ServedSessions {
  const { monotonic } = ports;
  const sessions = new Map<string, Session>();
  const all = new Set<Served>();
  const admission = new Admission(ports.maxSessions, ports.maxPerPrincipal, 'sessions');

  function begin(owner: Owner, era: Era, kind: 'probe' | undefined): Served {
    if (mail() === undefined) throw new UpstreamFailure('unreachable', 'no server is attached to the route');
    const release = kind === 'probe' ? () => undefined : admission.enter(owner);
    const id = toHex(randomBytes(ID_BYTES));
    const conversation = new Conversation(
      {
        write(line) {
          const to = mail();
          if (to === undefined) throw new UpstreamFailure('broke_off', 'the server is no longer attached');
          to.put(`{"session":"${id}","message":${line}}`);
        },
        pause: () => void (session.isPaused = true),
        resume: () => void (session.isPaused = false),
      },
      { ...ports, era },
    );
    const served: Served = {
      ...{ owner, conversation, startedMs: monotonic(), isLeaving: false },
      stop(_why, failure) {
        session.end(failure);
        return Promise.resolve();
      },
    };
    const session: Session = {
      served,
      isPaused: false,
      end(failure) {
        if (!sessions.delete(id)) return;
        all.delete(served);
        served.isLeaving = true;
        release();
        conversation.end(
          failure ?? new UpstreamFailure('broke_off', 'the session is over'),
          failure === undefined,
        );
        tell(id);
        ports.onEnd(served);
      },
    };
    sessions.set(id, session);
    all.add(served);
    return served;
  }

  /** The server forgets it too; one that is gone, or reads nothing, knows no better. */
  function tell(id: string): void {
    try {
      mail()?.put(JSON.stringify({ session: id, isOver: true }));
    } catch {
      // It is told with the next attachment: that one has no sessions.
    }
  }

  const sweeping = setInterval(
    () => {
      for (const { served, end } of [...sessions.values()]) {
        const { idleSinceMs } = served.conversation;
        if (idleSinceMs !== undefined && monotonic() - idleSinceMs > ports.idleEndMs) end();
      }
    },
    Math.min(5_000, Math.max(20, ports.idleEndMs / 4)),
  );
  sweeping.unref();

  return {
    all,
    start: async (owner, era, _signal, kind) => begin(owner, era, kind),
    trouble: () => (mail() === undefined ? 'no server is attached' : undefined),
    hear({ session: id, message, isOver }) {
      const session = sessions.get(id);
      if (session === undefined) return;
      if (isOver === true)
        return session.end(new UpstreamFailure('broke_off', 'the server ended the session'));
      try {
        session.served.conversation.hear(new TextEncoder().encode(JSON.stringify(message)));
      } catch (error) {
        if (!(error instanceof UpstreamFailure)) throw error;
        session.end(error);
      }
    },
    async drained(ms) {
      const untilMs = monotonic() + ms;
      while ([...sessions.values()].some(({ isPaused }) => isPaused) && monotonic() < untilMs)
        await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS));
    },
    endAll(failure) {
      for (const { end } of [...sessions.values()]) end(failure);
    },
    async [Symbol.asyncDispose]() {
      clearInterval(sweeping);
      for (const { end } of [...sessions.values()]) end();
    },
  };
}
