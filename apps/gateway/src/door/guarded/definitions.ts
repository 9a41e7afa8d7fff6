/**
 * What a route's tools are to each caller, so that a call cannot dodge the pin: before a tool is called its definition has
 * been seen under the same caller within the last minute, in a list that the caller asked for or that is asked for here.
 */
import {
  HEADER_ANNOTATION,
  isObject,
  isResponse,
  member,
  META,
  metaOf,
  toolDigest,
  toolHeaders,
  type JsonObject,
  type JsonValue,
} from '@sallyport/model-context';
import { UpstreamFailure, type Caller, type MessageCall, type ModelContextServer } from '../ports.ts';
import { pieces } from './pieces.ts';
import type { GuardedPorts, PinVerdict, SeenTool } from './ports.ts';

export type Definitions = {
  /** Of a list that passes; undefined when it is none. One verdict for each, in order. Piece by piece. */
  listed(caller: Caller, tools: readonly JsonValue[]): Promise<readonly PinVerdict[] | undefined>;
  /**
   * Of a tool to be called; waits only where it has not been seen lately. `call` is the upstream's: its session is asked.
   * Rejects with `UpstreamFailure`.
   */
  verdict(call: MessageCall, tool: string): PinVerdict | 'unknown' | Promise<PinVerdict | 'unknown'>;
  /** The input schema of a tool whose arguments are mirrored into headers (2026-07-28), where it was seen under the caller. */
  mirroring(caller: Caller, tool: string): JsonValue | undefined;
  /** `tools/list_changed`: everything is asked for again. */
  changed(): void;
};

const SEEN_FOR_MS = 60_000;
/** A tool that is not listed is looked for this often. */
const MISSING_FOR_MS = 5_000;
const LOOK_UP_MS = 5_000;
const MAX_PAGES = 32;
const MAX_CALLERS = 4_096;
/** Of one caller, and of all of them: whoever asked longest ago is forgotten first. */
const MAX_TOOLS = 16_384;
const MAX_TOOLS_OF_ALL = 262_144;
/** So that a list as long as can be is not digested anew each time it is asked for. */
const MAX_DIGESTS = 16_384;
const MAX_DIGESTED_LENGTH = 16 * 1024;
const MAX_DIGESTED_LENGTH_OF_ALL = 16 * 1024 * 1024;
const MAX_REPORTED = 16_384;
/** What is held back is said again: a server that goes back to an earlier definition shows what was reported long ago. */
const REPORT_HELD_BACK_MS = 60_000;
/** So that somebody who asks is told when a tool was seen last. */
const REPORT_AGAIN_MS = 6 * 3_600_000;
/** Of one list, by name in the log. */
const MAX_NAMED = 16;

type Digested = {
  readonly digest: string;
  /** Arguments are mirrored into headers. */
  readonly isMirrored: boolean;
};
type Seen = { readonly digest: string; readonly seenAtMs: number; readonly mirroring?: JsonValue };
type Known = {
  readonly tools: Map<string, Seen>;
  askedAtMs: number;
  asking?: Promise<void>;
};

/** Asks `upstream` itself, as the caller whose call needs it; remembers a minute for each caller, bounded. */
export function createDefinitions(
  upstream: Pick<ModelContextServer, 'send'>,
  { route, pins, monotonic, onProblem }: Pick<GuardedPorts, 'route' | 'pins' | 'monotonic' | 'onProblem'>,
): Definitions {
  const callers = new Map<string, Known>();
  /** By spelling. */
  const digests = new Map<string, Digested>();
  let digestedLength = 0;
  const reported = new Map<string, number>();
  let asked = 0;

  function knownTo({ principal }: Caller): Known {
    const name = `${principal.tenant}\0${principal.id}`;
    const known = callers.get(name) ?? { tools: new Map(), askedAtMs: -Infinity };
    // The one used last is the last to go.
    callers.delete(name);
    callers.set(name, known);
    dropOldest(callers, MAX_CALLERS);
    return known;
  }

  /** Spelling a definition costs a tenth of its canonical form: what was digested as it is spelt is looked up. */
  function digested(definition: JsonObject): Digested {
    const spelling = JSON.stringify(definition);
    const known = digests.get(spelling);
    if (known !== undefined) return known;
    // Most schemas mirror nothing, and to find that out by walking through them takes longer.
    const mayMirror = spelling.includes(HEADER_ANNOTATION);
    const isMirrored = mayMirror && toolHeaders(member(definition, 'inputSchema')).headers.length > 0;
    const found = { digest: toolDigest(definition), isMirrored };
    if (spelling.length > MAX_DIGESTED_LENGTH) return found;
    digests.set(spelling, found);
    digestedLength += spelling.length;
    for (const oldest of digests.keys()) {
      if (digests.size <= MAX_DIGESTS && digestedLength <= MAX_DIGESTED_LENGTH_OF_ALL) break;
      digests.delete(oldest);
      digestedLength -= oldest.length;
    }
    return found;
  }

  async function listed(
    caller: Caller,
    tools: readonly JsonValue[],
  ): Promise<readonly PinVerdict[] | undefined> {
    const seen: (SeenTool & Digested)[] = [];
    const names = new Set<string>();
    for await (const piece of pieces(tools))
      for (const definition of piece) {
        const name = isObject(definition) ? definition['name'] : undefined;
        // Two of one name: nobody could say which of them is approved, nor which is called.
        if (!isObject(definition) || typeof name !== 'string' || names.has(name)) return undefined;
        names.add(name);
        seen.push({ name, definition, ...digested(definition) });
      }
    const verdicts: PinVerdict[] = [];
    for await (const piece of pieces(seen)) verdicts.push(...pins.check(route, piece));
    remember(caller, seen);
    report(seen, verdicts);
    return verdicts;
  }

  function remember(caller: Caller, seen: readonly (SeenTool & Digested)[]): void {
    const known = knownTo(caller);
    const seenAtMs = monotonic();
    for (const { name, digest, isMirrored, definition } of seen) {
      known.tools.delete(name);
      const mirroring = isMirrored ? member(definition, 'inputSchema') : undefined;
      known.tools.set(name, { digest, seenAtMs, ...(mirroring === undefined ? {} : { mirroring }) });
    }
    dropOldest(known.tools, MAX_TOOLS);
    let all = 0;
    for (const { tools } of callers.values()) all += tools.size;
    for (const [name, oldest] of callers) {
      if (all <= MAX_TOOLS_OF_ALL || oldest === known) break;
      callers.delete(name);
      all -= oldest.tools.size;
    }
  }

  /** Once for each digest, and again after a while. */
  function report(seen: readonly SeenTool[], verdicts: readonly PinVerdict[]): void {
    const now = monotonic();
    const fresh: SeenTool[] = [];
    let heldBack = 0;
    for (const [index, tool] of seen.entries()) {
      const { name, digest } = tool;
      const verdict = verdicts[index] ?? 'waiting';
      const key = `${digest}\0${name}`;
      const reportedAtMs = reported.get(key);
      const againMs = verdict === 'pinned' ? REPORT_AGAIN_MS : REPORT_HELD_BACK_MS;
      if (reportedAtMs !== undefined && now - reportedAtMs < againMs) continue;
      fresh.push(tool);
      reported.delete(key);
      reported.set(key, now);
      if (verdict === 'pinned' || reportedAtMs !== undefined) continue;
      heldBack += 1;
      if (heldBack <= MAX_NAMED)
        onProblem('a tool is held back', { route, tool: name, state: verdict, digest });
    }
    if (heldBack > MAX_NAMED) onProblem('more tools are held back', { route, count: heldBack - MAX_NAMED });
    dropOldest(reported, MAX_REPORTED);
    if (fresh.length > 0) pins.observe(route, fresh);
  }

  /** Undefined: not seen lately. */
  function seenVerdict(known: Known, tool: string): PinVerdict | undefined {
    const seen = known.tools.get(tool);
    if (seen === undefined || monotonic() - seen.seenAtMs >= SEEN_FOR_MS) return undefined;
    return pins.check(route, [{ name: tool, digest: seen.digest }])[0] ?? 'waiting';
  }

  /** One question for all who wait. */
  async function lookUp(call: MessageCall, known: Known, tool: string): Promise<PinVerdict | 'unknown'> {
    known.asking ??= askAll(call)
      // What could not be asked is asked again at once.
      .then(() => void (known.askedAtMs = monotonic()))
      .finally(() => delete known.asking);
    await known.asking;
    // Not `known`: it may have been forgotten meanwhile.
    return seenVerdict(knownTo(call.caller), tool) ?? 'unknown';
  }

  async function askAll(call: MessageCall): Promise<void> {
    // Not the caller's own signal: others may wait for the same answer.
    const signal = AbortSignal.timeout(LOOK_UP_MS);
    let cursor: string | undefined;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const result = await askPage(call, signal, cursor);
      if (result === undefined) return;
      const tools = result['tools'];
      const verdicts = Array.isArray(tools)
        ? await listed(call.caller, tools as readonly JsonValue[])
        : undefined;
      if (verdicts === undefined)
        throw new UpstreamFailure('malformed', 'its list of tools is none', { isWithoutEffect: true });
      const next = result['nextCursor'];
      if (typeof next !== 'string') return;
      cursor = next;
    }
  }

  /** Undefined when the server says that it cannot. */
  async function askPage(
    call: MessageCall,
    signal: AbortSignal,
    cursor: string | undefined,
  ): Promise<JsonObject | undefined> {
    asked += 1;
    const id = `sallyport-tools-${String(asked)}`;
    const { [META.progressToken]: _, ...meta } = metaOf(call.message) ?? {};
    const params = {
      ...(Object.keys(meta).length === 0 ? {} : { _meta: meta }),
      ...(cursor === undefined ? {} : { cursor }),
    };
    const { caller, revision, sessionId, traceparent } = call;
    const exchange = await upstream.send({
      ...{ caller, revision, signal },
      ...(sessionId === undefined ? {} : { sessionId }),
      ...(traceparent === undefined ? {} : { traceparent }),
      message: { jsonrpc: '2.0', id, method: 'tools/list', params },
    });
    let result: JsonObject | undefined;
    for await (const { message } of exchange.messages) {
      if (message === undefined || !isResponse(message) || message.id !== id || !('result' in message))
        continue;
      result ??= message.result;
    }
    return result;
  }

  return {
    listed,
    verdict(call, tool) {
      const known = knownTo(call.caller);
      const verdict = seenVerdict(known, tool);
      if (verdict !== undefined) return verdict;
      const isMissing = !known.tools.has(tool) && monotonic() - known.askedAtMs < MISSING_FOR_MS;
      return isMissing && known.asking === undefined ? 'unknown' : lookUp(call, known, tool);
    },
    mirroring: (caller, tool) => knownTo(caller).tools.get(tool)?.mirroring,
    changed: () => callers.clear(),
  };
}

function dropOldest<K>(map: Map<K, unknown>, max: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= max) break;
    map.delete(oldest);
  }
}
