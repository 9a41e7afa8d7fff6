/** What a client answers to what a server asked of it: to the one who was asked, once, where policy still lets it be asked. */
import type { Message, Response } from '@sallyport/model-context';
import type { Exchange, MessageCall } from '../ports.ts';
import { BAD_HANDLE, inner, type Admissions } from './admissions.ts';
import { actionOf, askedOfServer, RESPONSE } from './asked.ts';
import type { OneWay } from './one-way.ts';
import { digestOfMessage, type Passages } from './passages.ts';
import type { Refusal } from './refusals.ts';
import { BadHandle, type AskedByServer, type Seals } from './seals.ts';

export type ResponsePorts = {
  readonly route: string;
  readonly admissions: Pick<Admissions, 'sessionOf' | 'judged' | 'unjudged'>;
  readonly seals: Pick<Seals, 'openServerRequest' | 'openRelatedTask'>;
  readonly passages: Passages;
  readonly oneWay: Pick<OneWay, 'pass'>;
};

/** Ids that are remembered as answered, of one route. */
const MAX_ANSWERED = 16_384;

/** Answered with a status: 202, or why the response goes nowhere. */
export function createResponses(
  ports: ResponsePorts,
): (call: MessageCall, message: Response) => Promise<Exchange> {
  const { route, admissions, seals, passages, oneWay } = ports;
  const answered = new Set<string>();

  function markAnswered(sealedId: string): void {
    answered.add(sealedId);
    for (const oldest of answered) {
      if (answered.size <= MAX_ANSWERED) break;
      answered.delete(oldest);
    }
  }

  return async (call, message) => {
    const digest = call.requestDigest ?? digestOfMessage(message);
    const refuse = (refusal: Refusal): Promise<Exchange> =>
      oneWay.pass(passages(call, askedOfServer(route, RESPONSE), digest), { refusal });
    const session = await admissions.sessionOf(call);
    if ('code' in session) return refuse(session);
    let toWhat: AskedByServer | undefined;
    try {
      toWhat = await seals.openServerRequest(call, session.sessionId, message.id);
    } catch (error) {
      return refuse(admissions.unjudged(error));
    }
    const sealedId = String(message.id);
    if (toWhat === undefined || answered.has(sealedId)) return refuse(BAD_HANDLE.request);
    markAnswered(sealedId);
    const asked = askedOfServer(route, actionOf(toWhat.method) ?? RESPONSE, false);
    const passage = passages(call, asked, digest);
    let own: Response | BadHandle;
    try {
      own = await withOwnTask(call, message, toWhat);
    } catch (error) {
      // It comes again.
      answered.delete(sealedId);
      return oneWay.pass(passage, { refusal: admissions.unjudged(error) });
    }
    if (own instanceof BadHandle) return oneWay.pass(passage, { refusal: BAD_HANDLE.task });
    const opened: Message = { ...own, id: toWhat.id };
    return oneWay.pass(passage, admissions.judged(call, asked, { ...inner(call, session), message: opened }));
  };

  /** Of a task that the client holds itself the id is its own. */
  async function withOwnTask(
    call: MessageCall,
    message: Response,
    toWhat: AskedByServer,
  ): Promise<Response | BadHandle> {
    if (!('result' in message) || !('_meta' in message.result) || toWhat.method.startsWith('tasks/'))
      return message;
    const result = await seals.openRelatedTask(call, message.result);
    return result instanceof BadHandle ? result : { ...message, result };
  }
}
