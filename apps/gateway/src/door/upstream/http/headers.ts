/**
 * Every header that a server is sent, made here: nothing of a caller's request is passed on but what its body says again
 * and trace context. In particular no token: the server is shown its own credential and told who calls.
 */
import {
  decodeHeaderValue,
  encodeHeaderValue,
  eraOf,
  mirrorHeaders,
  type JsonValue,
  type Message,
} from '@sallyport/model-context';
import { traceHeader, visible } from '../../../routes/message-headers.ts';
import type { Call, MessageCall } from '../../ports.ts';

const PARAMETER = /^mcp-param-[!#$%&'*+\-.^_`|~0-9a-z]{1,64}$/u;

/** Of a probe of our own: there is no caller. */
export const PROBE_HEADERS: Readonly<Record<string, string>> = {
  'User-Agent': 'sallyport',
  // What is compressed has no bound before it is unpacked.
  'Accept-Encoding': 'identity',
};

/** Of every exchange of a caller. */
export function callHeaders(call: Call, route: string): Record<string, string> {
  const { caller, evidence, sessionId } = call;
  return {
    ...PROBE_HEADERS,
    'Sallyport-Principal': visible(caller.principal.id),
    'Sallyport-Tenant': visible(caller.principal.tenant),
    'Sallyport-Destination': visible(route),
    'Sallyport-Session': visible(caller.sessionId),
    ...(evidence === undefined
      ? {}
      : {
          'Sallyport-Correlation': visible(evidence.correlation),
          'Sallyport-Policy-Revision': visible(evidence.policyRevision),
        }),
    ...traceHeader(call.traceparent),
    ...(sessionId === undefined || eraOf(call.revision) === 'stateless'
      ? {}
      : { 'Mcp-Session-Id': sessionId }),
  };
}

/** `inputSchema` is the called tool's, where it is known; else what the client mirrored is said again. */
export function messageHeaders(
  { message, revision, parameterHeaders }: Pick<MessageCall, 'message' | 'revision' | 'parameterHeaders'>,
  inputSchema: JsonValue | undefined,
): Record<string, string> {
  const content = {
    'Content-Type': 'application/json',
    Accept: 'application/json, text/event-stream',
  };
  if (eraOf(revision) === 'session')
    return { ...content, ...(isInitialize(message) ? {} : { 'MCP-Protocol-Version': revision }) };
  return {
    ...content,
    'MCP-Protocol-Version': revision,
    ...mirrorHeaders(message, inputSchema),
    ...(inputSchema === undefined ? repeated(parameterHeaders) : {}),
  };
}

/** The request that begins a session. */
export const isInitialize = (message: Message): boolean =>
  'method' in message && 'id' in message && message.method === 'initialize';

function repeated(given: Readonly<Record<string, string>> = {}): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    const decoded = PARAMETER.test(name) ? decodeHeaderValue(value) : undefined;
    if (decoded !== undefined) headers[name] = encodeHeaderValue(decoded);
  }
  return headers;
}
