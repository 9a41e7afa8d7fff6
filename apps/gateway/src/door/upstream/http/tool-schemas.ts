/**
 * Input schemas that say which arguments are mirrored into headers (2026-07-28 "Custom Headers from Tool Parameters"),
 * learnt from the lists that pass by. Per principal: a server may show each its own.
 */
import {
  HEADER_ANNOTATION,
  isObject,
  member,
  objectMember,
  META,
  stringMember,
  toolHeaders,
  type JsonValue,
  type Message,
} from '@sallyport/model-context';
import type { MessageCall } from '../../ports.ts';
import { Recent, type Owner } from '../owners.ts';

const MAX_TOOLS = 4_096;
const MAX_PAGES = 16;

/** Of 4,096 tools that mirror arguments, those used last. `of`: undefined for every other tool, and for what is no call. */
export class ToolSchemas {
  readonly #known = new Recent<string, JsonValue>(MAX_TOOLS);

  of(owner: Owner, message: Message): JsonValue | undefined {
    if (!('method' in message) || message.method !== 'tools/call') return undefined;
    const name = stringMember(message.params, 'name');
    return name === undefined ? undefined : this.#known.get(`${owner}\0${name}`);
  }

  /** From the answer to `tools/list`. */
  learn(owner: Owner, answer: Message): void {
    const tools = 'result' in answer ? member(answer.result, 'tools') : undefined;
    if (!Array.isArray(tools)) return;
    for (const tool of tools as readonly JsonValue[]) {
      const name = stringMember(tool, 'name');
      const schema = member(tool, 'inputSchema');
      if (name === undefined || !isObject(schema)) continue;
      const key = `${owner}\0${name}`;
      // Most mirror nothing: looking for the word takes less than walking through the schema, and nothing is kept of them.
      const isMirrored =
        JSON.stringify(schema).includes(HEADER_ANNOTATION) && toolHeaders(schema).headers.length > 0;
      if (isMirrored) this.#known.set(key, schema);
      else this.#known.delete(key);
    }
  }
}

/** Asks for the list on behalf of a call, page by page; `ask` gives the answer and learns from it. */
export async function listTools(
  call: MessageCall,
  ask: (list: MessageCall) => Promise<Message | undefined>,
): Promise<void> {
  const { [META.progressToken]: _, ...meta } =
    objectMember('method' in call.message ? call.message.params : undefined, '_meta') ?? {};
  const { parameterHeaders: _mirrored, ...rest } = call;
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const params = { ...(cursor === undefined ? {} : { cursor }), _meta: meta };
    const answer = await ask({
      ...rest,
      message: { jsonrpc: '2.0', id: `sallyport-tools-${page}`, method: 'tools/list', params },
    });
    cursor =
      answer !== undefined && 'result' in answer ? stringMember(answer.result, 'nextCursor') : undefined;
    if (cursor === undefined) return;
  }
}
