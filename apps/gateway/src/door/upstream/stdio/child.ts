/**
 * One child process: lines in, lines out, and an end that leaves nothing behind.
 *
 * It is started without a shell in a process group of its own. Its end is a ladder (2025-11-25 and 2026-07-28 "stdio",
 * shutdown): stdin closed, SIGTERM to the group, SIGKILL to the group and to whoever left it.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { UpstreamFailure } from '../../ports.ts';
import type { ChildEnd } from '../measure.ts';
import { printable, TextLines, type ChildLog } from './child-log.ts';
import type { Launch } from './environment.ts';
import { Lines } from './lines.ts';
import { killMarked } from './marks.ts';
import { signalTo } from './processes.ts';

export type ChildOptions = {
  readonly mark: string;
  readonly maxLineBytes: number;
  /** Of what the child has not read yet. */
  readonly maxPendingBytes: number;
  /** Each step of the ladder. */
  readonly graceMs: number;
  readonly log: ChildLog;
  /** Not the empty one. What it throws ends the child as a defect, and is told with the end. */
  readonly onLine: (line: Uint8Array) => void;
  /** Once, when the process is gone or cannot be started. `said`: the last lines of stderr, which mostly tell why. */
  readonly onEnd: (end: {
    readonly why: ChildEnd;
    readonly failure: UpstreamFailure;
    readonly said: readonly string[];
  }) => void;
};

export type Child = {
  readonly pid: number | undefined;
  /** Throws `UpstreamFailure`: `busy` when the child does not read, `broke_off` when it is no more. */
  write(line: string): void;
  /** Nothing is read from it meanwhile, so it stops writing when its pipe is full. */
  pause(): void;
  resume(): void;
  /** Resolves when nothing of it is left. `isUrgent`: without asking it first. */
  stop(
    why: ChildEnd,
    options?: { readonly failure?: UpstreamFailure; readonly isUrgent?: boolean },
  ): Promise<void>;
};

const FLUSH_MS = 2_000;
/** Of stderr in a second; whoever writes more waits for the next one. Even what is not logged has to be read by somebody. */
const MAX_ERROR_BYTES = 256 * 1024;
const ERROR_WINDOW_MS = 1_000;
const LAST_LINES = 8;

/** Running, or not to be started: `onEnd` tells either end, once. Throws for a command that no process can have. */
export function startChild(launch: Launch, options: ChildOptions): Child {
  const { onLine, onEnd, log, graceMs } = options;
  const gone = Promise.withResolvers<void>();
  const clean = Promise.withResolvers<void>();
  let told: { why: ChildEnd; failure: UpstreamFailure } | undefined;
  const said: string[] = [];
  let isEnding = false;
  let isGone = false;
  let isOver = false;
  const process = spawn(launch.file, launch.args, {
    cwd: launch.cwd,
    env: launch.env,
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
    windowsHide: true,
  });
  const { pid, stdin, stdout, stderr } = process;

  /** With the first cause: what follows from it is none. */
  function because(why: ChildEnd, failure: UpstreamFailure): void {
    told ??= { why, failure };
  }

  function over(): void {
    if (isOver) return;
    isOver = true;
    clearInterval(window);
    for (const stream of [stdin, stdout, stderr]) stream.destroy();
    log.flush();
    because('exited', new UpstreamFailure('broke_off', 'the server ended'));
    if (told !== undefined) onEnd({ ...told, said });
    clean.resolve();
  }

  async function stop(
    why: ChildEnd,
    { failure, isUrgent = false }: { failure?: UpstreamFailure; isUrgent?: boolean } = {},
  ): Promise<void> {
    because(why, failure ?? new UpstreamFailure('broke_off', 'the gateway ended the server'));
    // A pid that was waited for may be another's by now.
    if (isEnding || isGone) return clean.promise;
    isEnding = true;
    // What it still says is nobody's; it must not wait for someone to read it.
    stdout.removeAllListeners('data');
    stdout.resume();
    stderr.resume();
    stdin.end();
    if (pid !== undefined && !isUrgent && !(await within(gone.promise, graceMs))) {
      signalTo(-pid, 'SIGTERM');
      await within(gone.promise, graceMs);
    }
    if (pid !== undefined && !isGone) signalTo(-pid, 'SIGKILL');
    return clean.promise;
  }

  const lines = new Lines(options.maxLineBytes);
  stdout.on('data', (chunk: Uint8Array) => {
    try {
      for (const line of lines.push(chunk)) {
        if (isEnding) return;
        if (line.length > 0) onLine(line);
      }
    } catch (error) {
      void stop('defect', {
        failure:
          error instanceof UpstreamFailure
            ? error
            : new UpstreamFailure('malformed', 'what the server wrote cannot be handled', { cause: error }),
        isUrgent: true,
      });
    }
  });
  const errorLines = new TextLines((line) => {
    log.line('a server says', line);
    said.push(printable(line));
    if (said.length > LAST_LINES) said.shift();
  });
  let errorBytes = 0;
  const window = setInterval(() => {
    errorBytes = 0;
    stderr.resume();
  }, ERROR_WINDOW_MS);
  window.unref();
  stderr.on('data', (chunk: Uint8Array) => {
    errorBytes += chunk.length;
    // When it ends, what is left is little and says why.
    if (errorBytes > MAX_ERROR_BYTES && !isEnding && !isGone) stderr.pause();
    errorLines.push(chunk);
  });
  stderr.on('end', () => errorLines.end());
  // What is written to a child that is gone is told with its end.
  for (const stream of [stdin, stdout, stderr]) stream.on('error', () => undefined);

  process.on('error', (cause) => {
    if (pid !== undefined) return;
    because('exited', new UpstreamFailure('unreachable', 'the server cannot be started', { cause }));
    gone.resolve();
    over();
  });
  process.on('exit', (code, signal) => {
    isGone = true;
    stderr.resume();
    gone.resolve();
    because(
      'exited',
      new UpstreamFailure('broke_off', `the server ended (${signal ?? `code ${code ?? '?'}`})`),
    );
    void leaveNothing(process, options.mark).then(over);
  });

  return {
    pid,
    write(line) {
      if (isOver || isEnding || stdin.destroyed || !stdin.writable)
        throw new UpstreamFailure('broke_off', 'the server is ending', { isWithoutEffect: true });
      if (stdin.writableLength > options.maxPendingBytes)
        throw new UpstreamFailure('busy', 'the server does not read what it is sent');
      stdin.write(`${line}\n`);
    },
    pause: () => void stdout.pause(),
    resume: () => void stdout.resume(),
    stop,
  };
}

/** After the leader is gone: its group, who left it, and what is still in its pipe. */
async function leaveNothing(process: ChildProcessWithoutNullStreams, mark: string): Promise<void> {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  process.on('close', () => resolve());
  if (process.pid !== undefined) signalTo(-process.pid, 'SIGKILL');
  if (mark !== '') await killMarked(mark);
  await within(closed, FLUSH_MS);
}

/** False: not in time. */
async function within(promise: Promise<void>, ms: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), ms);
  const isInTime = await Promise.race([promise.then(() => true), late]);
  clearTimeout(timer);
  return isInTime;
}
