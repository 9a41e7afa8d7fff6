/** One message: its response is the command's output. */
import { ChannelError, type Response } from '@sallyport/client';
import type { CommandContext } from '../commands/context.ts';
import { CommandFailed, UsageError } from '../exit.ts';
import { explain } from './advice.ts';
import { isJsonType, jsonProblem, responseText, responseValue } from './body.ts';
import type { ChannelChoice, SendPorts } from './ports.ts';
import { MAX_MESSAGE_BYTES } from './stream.ts';

export type SingleMessage = {
  readonly destination: string;
  /** The argument, or "-" for standard input as a whole. */
  readonly given: string;
  readonly contentType: string;
  readonly timeoutMs: number;
  /** Of the trace, when there is one. */
  readonly traceId?: string | undefined;
};

/** Throws `UsageError` before anything was sent, `CommandFailed` with the gateway's word and the next step after. */
export async function sendSingle(
  context: CommandContext,
  ports: SendPorts,
  choice: Omit<ChannelChoice, 'signal'>,
  message: SingleMessage,
): Promise<void> {
  const { destination, contentType, timeoutMs } = message;
  const body = await bodyOf(ports, message);
  const { signal } = context;
  let principal: string | undefined;
  try {
    await using channel = await ports.openChannel(context, { ...choice, signal });
    principal = channel.principal;
    const response = await channel.request(destination, body, { contentType, timeoutMs, signal });
    show(context, message, channel.sessionId, response);
  } catch (error) {
    if (!(error instanceof ChannelError)) throw error;
    const { kind, code, mayHaveTakenEffect } = error;
    throw new CommandFailed(explain(error, { destination, principal }), { kind, code, mayHaveTakenEffect });
  }
}

async function bodyOf(ports: SendPorts, { given, contentType }: SingleMessage): Promise<Uint8Array> {
  const body = given === '-' ? await readWhole(ports) : Uint8Array.from(Buffer.from(given));
  if (body.length > MAX_MESSAGE_BYTES) {
    throw new UsageError(`A message has at most ${MAX_MESSAGE_BYTES} bytes; this one has more.`);
  }
  const problem = isJsonType(contentType) ? jsonProblem(body) : undefined;
  if (problem !== undefined) {
    throw new UsageError(
      `The message is not JSON: ${problem}. Quote it for the shell, e.g. '{"hello":"world"}', or name its type with --content-type.`,
    );
  }
  return body;
}

async function readWhole(ports: SendPorts): Promise<Uint8Array> {
  const { source } = await ports.openInput('-');
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of source) {
    parts.push(part);
    length += part.length;
    if (length > MAX_MESSAGE_BYTES) break;
  }
  return Uint8Array.from(Buffer.concat(parts));
}

function show(
  { output }: CommandContext,
  { destination, traceId }: SingleMessage,
  sessionId: string,
  response: Response,
): void {
  const { contentType, correlation, body } = response;
  if (output.json) {
    const value = responseValue(contentType, body);
    const trace = traceId === undefined ? {} : { traceId };
    output.result({ destination, correlation, sessionId, ...trace, contentType, response: value }, '');
    return;
  }
  const text = output.toTerminal ? responseText(contentType, body) : undefined;
  if (text === undefined) output.bytes(body);
  else output.result({}, text);
}
