/** `send --file`: a stream of lines, its progress, and the counts at its end. */
import { ChannelError } from '@sallyport/client';
import type { CommandContext } from '../commands/context.ts';
import { CommandFailed } from '../exit.ts';
import { explain } from './advice.ts';
import type { ChannelChoice, SendPorts } from './ports.ts';
import { count, fractionDone, perSecond, startProgress } from './progress.ts';
import { openResponseFile } from './response-file.ts';
import { SessionKeeper, SessionUnavailable } from './session-keeper.ts';
import { sendStream, type StreamEnd } from './stream.ts';
import { Tally, type Outcome } from './tally.ts';

export type FileOfMessages = {
  readonly destination: string;
  /** A path, or "-" for standard input. */
  readonly path: string;
  readonly contentType: string;
  readonly timeoutMs: number;
  readonly inFlight: number;
  readonly isStoppingOnError: boolean;
  /** Where responses go as NDJSON; undefined = nowhere. */
  readonly responsePath: string | undefined;
};

/** After an interrupt, what is under way has this long. */
const GRACE_MS = 5_000;
const MAX_SHOWN_PROBLEMS = 10;
const NEWLINE = 0x0a;

/** Prints the counts whatever happens. Throws `CommandFailed` unless every line succeeded. */
export async function sendFile(
  context: CommandContext,
  ports: SendPorts,
  choice: Omit<ChannelChoice, 'signal'>,
  file: FileOfMessages,
): Promise<void> {
  const { output } = context;
  const { destination } = file;
  const input = await ports.openInput(file.path);
  await using sessions = new SessionKeeper({
    open: (signal) => ports.openChannel(context, { ...choice, signal }),
    signal: context.signal,
  });
  await sessions
    .use(async () => undefined)
    .catch((error: unknown) => {
      throw brokenBy(error instanceof SessionUnavailable ? error.reason : error, destination, undefined);
    });
  await using responses = file.responsePath === undefined ? undefined : await openOrFail(file.responsePath);

  const tally = new Tally();
  const report = problemReporter(context, () => ({ destination, principal: sessions.principal }));
  const read = { bytes: 0, lines: 0 };
  const startedAt = ports.now();
  const progress = startProgress({
    output,
    tally,
    now: ports.now,
    fraction: () =>
      input.totalBytes === undefined ? undefined : fractionDone(tally.counts.lines, read, input.totalBytes),
  });
  const end = await sendStream({
    source: counted(input.source, read),
    sessions,
    destination,
    contentType: file.contentType,
    timeoutMs: file.timeoutMs,
    inFlight: file.inFlight,
    isStoppingOnError: file.isStoppingOnError,
    signal: context.signal,
    graceMs: GRACE_MS,
    onOutcome(outcome) {
      tally.add(outcome);
      report(outcome);
      return responses?.write(outcome);
    },
  });
  progress.stop();
  showCounts(context, tally, (ports.now() - startedAt) / 1000);
  throwUnlessAllSucceeded(end, tally, { destination, principal: sessions.principal });
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  read: { bytes: number; lines: number },
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    read.bytes += chunk.length;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) read.lines += 1;
    yield chunk;
  }
}

async function openOrFail(path: string): ReturnType<typeof openResponseFile> {
  return openResponseFile(path).catch((error: unknown) => {
    throw new CommandFailed(`Cannot write ${path}: ${(error as Error).message}`);
  });
}

/** The first of each kind of refusal and failure with its next step, a few lines that are no messages; the rest is counted. */
function problemReporter(
  { output }: CommandContext,
  sending: () => Parameters<typeof explain>[1],
): (outcome: Outcome) => void {
  const seen = new Set<string>();
  let invalid = 0;
  return (outcome) => {
    if (outcome.kind === 'succeeded') return;
    const { line } = outcome;
    if (outcome.kind === 'invalid') {
      invalid += 1;
      if (invalid <= MAX_SHOWN_PROBLEMS) {
        output.problem(`Line ${line}: ${outcome.problem}`, { line, code: 'invalid_line' });
      }
      if (invalid === MAX_SHOWN_PROBLEMS)
        output.note('Further such lines are only counted; --out keeps each.');
      return;
    }
    const { kind, code, mayHaveTakenEffect } = outcome.error;
    const key = `${kind} ${code} ${mayHaveTakenEffect}`;
    if (seen.has(key)) return;
    seen.add(key);
    output.problem(`Line ${line}: ${explain(outcome.error, sending())}`, {
      line,
      kind,
      code,
      mayHaveTakenEffect,
    });
  };
}

function showCounts({ output }: CommandContext, tally: Tally, seconds: number): void {
  const { counts, unknownLines } = tally;
  const rate = perSecond(counts.sent, seconds * 1000);
  const refusals = Object.entries(counts.refused).map(([code, number]) => `${code} ${count(number)}`);
  const text = [
    `sent       ${count(counts.sent)}`,
    `succeeded  ${count(counts.succeeded)}`,
    `refused    ${count(tally.refusedTotal)}${refusals.length === 0 ? '' : ` (${refusals.join(', ')})`}`,
    `failed     ${count(counts.failed)}${counts.notSent === 0 ? '' : ` (${count(counts.notSent)} never sent)`}`,
    ...(counts.unknownOutcome === 0
      ? []
      : [
          `unknown    ${count(counts.unknownOutcome)}: lines ${unknownLines} may have taken effect and were not sent again`,
        ]),
    `seconds    ${seconds.toFixed(2)} (${count(Math.round(rate))} per second)`,
  ].join('\n');
  const value = {
    ...counts,
    ...(counts.unknownOutcome === 0 ? {} : { unknownLines }),
    seconds: Number(seconds.toFixed(3)),
    perSecond: Number(rate.toFixed(1)),
  };
  output.result(value, text);
}

function throwUnlessAllSucceeded(
  end: StreamEnd,
  tally: Tally,
  { destination, principal }: { destination: string; principal: string | undefined },
): void {
  const { lines, succeeded } = tally.counts;
  if (end.kind === 'broken') {
    const broken = brokenBy(end.error, destination, principal);
    if (!(broken instanceof CommandFailed)) throw broken;
    throw new CommandFailed(`Stopped before the end: ${broken.message}`, broken.details);
  }
  if (end.kind === 'interrupted') {
    throw new CommandFailed(`Interrupted after ${count(lines)} lines.`, { code: 'interrupted' });
  }
  if (succeeded === lines) return;
  const what = `${count(lines - succeeded)} of ${count(lines)} lines did not succeed.`;
  throw new CommandFailed(
    end.kind === 'stopped' ? `${what} Stopped at the first, as --stop-on-error asks.` : what,
    {
      code: 'not_all_succeeded',
    },
  );
}

function brokenBy(error: unknown, destination: string, principal: string | undefined): unknown {
  if (error instanceof ChannelError) {
    return new CommandFailed(explain(error, { destination, principal }), {
      kind: error.kind,
      code: error.code,
    });
  }
  // The system's own errors: a file that cannot be read or written.
  const isSystem = error instanceof Error && 'syscall' in error;
  return isSystem ? new CommandFailed(error.message) : error;
}
