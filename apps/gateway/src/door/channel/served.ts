/**
 * Servers that attach to their route over the secure channel instead of being listened to: what a child process is to a server
 * by stdio, a session of the attachment is here (docs/protocol.md section 13).
 *
 * One attachment at a time, of the principal that the configuration names; the newest wins, and with the one before it all its
 * sessions are over. One that is not asked for news any more is gone.
 */
import { randomBytes, toHex } from '@sallyport/crypto';
import {
  encodeModelContext,
  MODEL_CONTEXT_TYPE,
  parseModelContextLine,
  parseModelContextServing,
  type ModelContextLine,
  type ModelContextServed,
} from '@sallyport/channel';
import type { Route, RouteRequest, RouteResult } from '../../app/ports.ts';
import { UpstreamFailure } from '../ports.ts';
import { createMail, type Mail } from './mail.ts';
import { servedSessions, type ServedSessions, type ServedSessionsPorts } from './served-sessions.ts';

export type AttachablePorts = ServedSessionsPorts & {
  /** Who may serve the route: `workload:search`. */
  readonly principal: string;
  /** For how long news are waited for before an empty answer says so. */
  readonly waitMs: number;
  /** Without a question for so long an attachment is gone. */
  readonly keepMs: number;
  readonly onAttached: (principal: string) => void;
  readonly onDetached: (why: string) => void;
};

export type Attachable = Disposable & {
  /** For the destination `mcp-serve/<route>`. */
  readonly destination: Route;
  /** The sessions, as an upstream begins them. */
  readonly sessions: ServedSessions;
};

type Attachment = { readonly id: string; readonly mail: Mail; gone: NodeJS.Timeout | undefined };

const ID_BYTES = 16;
const STATUS = { ok: 200, accepted: 202, malformed: 400, foreign: 403, gone: 404 } as const;

/** Nobody is attached yet. Disposing ends the attachment, and with it every session, with `broke_off`. */
export function createAttachable(ports: AttachablePorts): Attachable {
  let attachment: Attachment | undefined;
  const sessions = servedSessions(ports, () => attachment?.mail);

  function leave(why: string): void {
    if (attachment === undefined) return;
    clearTimeout(attachment.gone);
    attachment.mail.close();
    attachment = undefined;
    sessions.endAll(new UpstreamFailure('broke_off', 'the server is no longer attached'));
    ports.onDetached(why);
  }

  function keep(held: Attachment): void {
    clearTimeout(held.gone);
    held.gone = setTimeout(() => leave('it asked for nothing any more'), ports.keepMs);
    held.gone.unref();
  }

  function attach(): RouteResult {
    leave('another took its place');
    attachment = {
      id: toHex(randomBytes(ID_BYTES)),
      mail: createMail(ports.maxPendingBytes),
      gone: undefined,
    };
    keep(attachment);
    ports.onAttached(ports.principal);
    return told({ status: STATUS.ok, attachment: attachment.id });
  }

  async function deliver(lines: readonly Uint8Array[]): Promise<RouteResult> {
    const parsed: (ModelContextLine | undefined)[] = lines.map(parseModelContextLine);
    if (parsed.length === 0 || parsed.includes(undefined)) return told({ status: STATUS.malformed });
    for (const line of parsed) if (line !== undefined) sessions.hear(line);
    // A server that says more than is read waits for its answer, and then goes on.
    await sessions.drained(ports.waitMs);
    return told({ status: STATUS.accepted });
  }

  async function answer({ sender, contentType, body }: RouteRequest): Promise<RouteResult> {
    if (sender.principal.id !== ports.principal) return told({ status: STATUS.foreign });
    const asked = contentType === MODEL_CONTEXT_TYPE ? parseModelContextServing(body) : undefined;
    if (asked === undefined) return told({ status: STATUS.malformed });
    const { head, lines } = asked;
    if ((head.do === 'deliver') !== lines.length > 0) return told({ status: STATUS.malformed });
    if (head.do === 'attach') return attach();
    const held = attachment;
    if (held === undefined || held.id !== head.attachment) return told({ status: STATUS.gone });
    keep(held);
    if (head.do === 'deliver') return deliver(lines);
    if (head.do === 'detach') {
      leave('it said so');
      return told({ status: STATUS.accepted });
    }
    const news = await held.mail.take(ports.waitMs);
    return news === undefined ? told({ status: STATUS.gone }) : told({ status: STATUS.ok }, news);
  }

  return {
    destination: { isIdempotent: false, send: answer },
    sessions,
    [Symbol.dispose]: () => leave('the gateway is stopping'),
  };
}

function told(head: ModelContextServed, lines: readonly string[] = []): RouteResult {
  return {
    kind: 'response',
    contentType: MODEL_CONTEXT_TYPE,
    body: encodeModelContext(head, lines),
    status: String(head.status),
  };
}
