/**
 * The Model Context Protocol inside the channel (docs/protocol.md section 13): the payload of a request or response is lines
 * of JSON, a head and then one message on each line. What is in a message is not looked at here.
 *
 * Parsers are total: undefined for what is not exactly this.
 */

/** Of requests and responses alike. */
export const MODEL_CONTEXT_TYPE = 'application/vnd.sallyport.model-context';
/** A client's destination is this and the name of the route; a server's, for its own route, the other one. */
export const MODEL_CONTEXT_DESTINATION = 'mcp/';
export const MODEL_CONTEXT_SERVING = 'mcp-serve/';
/** Messages in one payload. */
export const MAX_MODEL_CONTEXT_LINES = 256;

/** What a client wants of the gateway. */
export type ModelContextCall =
  /** One message goes to the server. Without a revision: what `initialize` says. */
  | { readonly do: 'send'; readonly revision?: string; readonly session?: string }
  /** Wait for what the server says by itself. */
  | { readonly do: 'listen'; readonly revision: string; readonly session: string }
  /** What else comes on a stream that an answer named. */
  | { readonly do: 'continue'; readonly stream: string }
  | { readonly do: 'cancel'; readonly stream: string }
  | { readonly do: 'end'; readonly revision: string; readonly session: string };

/** What came of it so far. `status` is HTTP's. With a `stream` there is more to come, and it has to be asked for. */
export type ModelContextAnswer = {
  readonly status: number;
  readonly session?: string;
  readonly stream?: string;
};

/** What a server wants of the gateway. Its lines, and those it gets, are `ModelContextLine`s. */
export type ModelContextServing =
  | { readonly do: 'attach' }
  | { readonly do: 'receive'; readonly attachment: string }
  | { readonly do: 'deliver'; readonly attachment: string }
  | { readonly do: 'detach'; readonly attachment: string };

export type ModelContextServed = { readonly status: number; readonly attachment?: string };

/** Of one session of the server: a message, or its end. A session begins with its first message. */
export type ModelContextLine = {
  readonly session: string;
  readonly message?: unknown;
  readonly isOver?: true;
};

export type ModelContextPayload<Head> = {
  readonly head: Head;
  /** JSON each, as it came: UTF-8. */
  readonly lines: readonly Uint8Array[];
};

const MAX_HEAD_BYTES = 8 * 1024;
const NEWLINE = 0x0a;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** `lines` are JSON texts without line breaks, as `JSON.stringify` makes them. */
export function encodeModelContext(
  head: ModelContextCall | ModelContextAnswer | ModelContextServing | ModelContextServed,
  lines: readonly string[] = [],
): Uint8Array {
  return new TextEncoder().encode([JSON.stringify(head), ...lines].join('\n'));
}

/** Undefined unless the head, of 8 KiB at most, is a `ModelContextCall`, with no more than `MAX_MODEL_CONTEXT_LINES` lines after it. Lines share memory with `payload`. */
export function parseModelContextCall(
  payload: Uint8Array,
): ModelContextPayload<ModelContextCall> | undefined {
  return parse(payload, (head) => {
    const { do: what } = head;
    if (what === 'send')
      return isTexts(head, [], ['revision', 'session']) ? (head as ModelContextCall) : undefined;
    if (what === 'listen' || what === 'end')
      return isTexts(head, ['revision', 'session']) ? (head as ModelContextCall) : undefined;
    if (what === 'continue' || what === 'cancel')
      return isTexts(head, ['stream']) ? (head as ModelContextCall) : undefined;
    return undefined;
  });
}

/** As `parseModelContextCall`, of a `ModelContextAnswer`: a status from 100 to 599. */
export function parseModelContextAnswer(
  payload: Uint8Array,
): ModelContextPayload<ModelContextAnswer> | undefined {
  return parse(payload, (head) =>
    isStatus(head) && isTexts(head, [], ['session', 'stream']) ? (head as ModelContextAnswer) : undefined,
  );
}

/** As `parseModelContextCall`, of a `ModelContextServing`. */
export function parseModelContextServing(
  payload: Uint8Array,
): ModelContextPayload<ModelContextServing> | undefined {
  return parse(payload, (head) => {
    const { do: what } = head;
    if (what === 'attach') return isTexts(head, []) ? (head as ModelContextServing) : undefined;
    if (what === 'receive' || what === 'deliver' || what === 'detach')
      return isTexts(head, ['attachment']) ? (head as ModelContextServing) : undefined;
    return undefined;
  });
}

/** As `parseModelContextCall`, of a `ModelContextServed`: a status from 100 to 599. */
export function parseModelContextServed(
  payload: Uint8Array,
): ModelContextPayload<ModelContextServed> | undefined {
  return parse(payload, (head) =>
    isStatus(head) && isTexts(head, [], ['attachment']) ? (head as ModelContextServed) : undefined,
  );
}

/** Undefined unless the line names a session and holds a message or says that it is over. */
export function parseModelContextLine(line: Uint8Array): ModelContextLine | undefined {
  const value = jsonOf(line);
  if (!isObject(value) || typeof value['session'] !== 'string' || value['session'] === '') return undefined;
  const hasMessage = isObject(value['message']);
  if (hasMessage === (value['isOver'] === true) || Object.keys(value).length !== 2) return undefined;
  return value as ModelContextLine;
}

type JsonObject = Readonly<Record<string, unknown>>;

function parse<Head>(
  payload: Uint8Array,
  headOf: (head: JsonObject) => Head | undefined,
): ModelContextPayload<Head> | undefined {
  const lines: Uint8Array[] = [];
  for (let from = 0; from <= payload.length;) {
    const at = payload.indexOf(NEWLINE, from);
    const end = at === -1 ? payload.length : at;
    // The head is one more than the messages.
    if (end === from || lines.length > MAX_MODEL_CONTEXT_LINES) return undefined;
    lines.push(payload.subarray(from, end));
    from = end + 1;
  }
  const [first = new Uint8Array(), ...rest] = lines;
  if (first.length > MAX_HEAD_BYTES) return undefined;
  const value = jsonOf(first);
  const head = isObject(value) ? headOf(value) : undefined;
  return head === undefined ? undefined : { head, lines: rest };
}

/** Every one of `required`, any of `optional`, each a text with something in it, and nothing but them and what is not text. */
function isTexts(head: JsonObject, required: readonly string[], optional: readonly string[] = []): boolean {
  const known = new Set([...required, ...optional, 'do', 'status']);
  return (
    required.every((name) => name in head) &&
    Object.entries(head).every(
      ([name, value]) =>
        known.has(name) && (name === 'status' || (typeof value === 'string' && value !== '')),
    )
  );
}

function isStatus({ status }: JsonObject): boolean {
  return Number.isSafeInteger(status) && Number(status) >= 100 && Number(status) <= 599;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch {
    return undefined;
  }
}
