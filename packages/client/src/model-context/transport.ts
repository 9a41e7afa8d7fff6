/**
 * What the official Model Context Protocol SDK wants of a transport, in its own shape: versions 1 and 2 agree on this part,
 * and nothing of them is needed at run time. Source: the `Transport` interface of `@modelcontextprotocol/sdk`.
 */

export type ModelContextTransport = {
  start(): Promise<void>;
  /** Of the options one counts: `requestSignal`, an `AbortSignal` (library version 2). */
  send(message: unknown, options?: object): Promise<void>;
  close(): Promise<void>;
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: ((message: unknown) => void) | undefined;
  sessionId?: string | undefined;
  setProtocolVersion?: ((version: string) => void) | undefined;
  /** Closing the stream of a request cancels it (2026-07-28). */
  readonly hasPerRequestStream?: boolean;
};

type Id = string | number;

/** The id of a request that waits for an answer; undefined for everything else. */
export function requestIdOf(message: unknown): Id | undefined {
  const { id, method } = (message ?? {}) as { id?: unknown; method?: unknown };
  return typeof method === 'string' && (typeof id === 'string' || typeof id === 'number') ? id : undefined;
}

/** Of a request or notification; undefined for everything else. */
export function methodOf(message: unknown): string | undefined {
  const { method } = (message ?? {}) as { method?: unknown };
  return typeof method === 'string' ? method : undefined;
}

const PROTOCOL_VERSION = 'io.modelcontextprotocol/protocolVersion';

/** What a message says of itself (2026-07-28); undefined where the session says it. */
export function revisionOf(message: unknown): string | undefined {
  const { params } = (message ?? {}) as { params?: { _meta?: Record<string, unknown> } };
  const version = params?._meta?.[PROTOCOL_VERSION];
  return typeof version === 'string' ? version : undefined;
}

/** JSON-RPC's range for errors of an implementation; the gateway uses the same for what may be tried again. */
const UNAVAILABLE = -32_001;

/** What the library is given in place of an answer that will not come: an error that says that it may be tried again. `why` is for a person. */
export function lostAnswer(id: Id, why: string): unknown {
  return { jsonrpc: '2.0', id, error: { code: UNAVAILABLE, message: why } };
}

/** What gives a request up by leaving its stream. */
export function requestSignalOf(options: object | undefined): AbortSignal | undefined {
  const { requestSignal } = (options ?? {}) as { requestSignal?: unknown };
  return requestSignal instanceof AbortSignal ? requestSignal : undefined;
}
