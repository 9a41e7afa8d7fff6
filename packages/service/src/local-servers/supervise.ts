/** Starting, watching, stopping and starting again: the same for every server. */
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LocalServerError } from './error.ts';
import { freePort } from './free-port.ts';
import { lastLines, sizeOf } from './log-file.ts';
import { signalTree, startChild, type Command } from './process-tree.ts';

export interface ServerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A server of this machine, listening on 127.0.0.1 only. */
export interface LocalServer extends AsyncDisposable {
  readonly name: string;
  readonly host: '127.0.0.1';
  readonly port: number;
  /** Of the present process; another after `restart`. */
  readonly pid: number;
  readonly folder: string;
  readonly logFile: string;
  /** Resolves when the present process ends, for whatever reason. */
  readonly exited: Promise<ServerExit>;
  /** To the process and its children, as `SIGSTOP`, `SIGCONT`, `SIGKILL`; no error when it is gone. */
  signal(signal: NodeJS.Signals): void;
  /** Orderly; killed when that takes longer than 10 s. Does nothing when it has ended. */
  stop(): Promise<void>;
  /** Stops what runs, then starts on the same port with the same credentials; `empty`: without its data. */
  restart(options?: { readonly empty?: boolean }): Promise<void>;
}

export interface ServerPlan {
  readonly name: string;
  /** Exists, and may be used. */
  readonly folder: string;
  /** `undefined`: a free one. */
  readonly port: number | undefined;
  readonly redisCluster?: boolean;
  /** Writes the configuration and makes what a first start needs. */
  prepare(port: number): Promise<void>;
  removeData(): Promise<void>;
  readonly command: Command;
  /** One question over the server's own protocol; rejects while it does not answer as it should. */
  ask(port: number): Promise<void>;
  readonly stopSignal: NodeJS.Signals;
  /** Log lines of a failed start that is worth repeating. */
  readonly transient?: RegExp;
}

interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly exited: Promise<ServerExit>;
}

const READY_TIMEOUT_MS = 30_000;
const ASK_EVERY_MS = 25;
const STOP_TIMEOUT_MS = 10_000;
const PORT_ATTEMPTS = 5;
const portTaken = /address already in use|could not bind/i;

/** Resolves when the server answers. Throws `LocalServerError`; nothing is left running then. */
export async function superviseServer(plan: ServerPlan): Promise<LocalServer> {
  const logFile = join(plan.folder, 'server.log');
  const first = await firstStart(plan, logFile);
  const { port } = first;
  let { running } = first;

  async function stop(): Promise<void> {
    const { pid, exited } = running;
    signalTree(pid, 'SIGCONT'); // a stopped process hears nothing else
    running.child.kill(plan.stopSignal);
    const ended = await Promise.race([exited, sleep(STOP_TIMEOUT_MS, undefined, { ref: false })]);
    if (ended === undefined) signalTree(pid, 'SIGKILL');
    await exited;
  }

  return {
    name: plan.name,
    host: '127.0.0.1',
    port,
    get pid() {
      return running.pid;
    },
    folder: plan.folder,
    logFile,
    get exited() {
      return running.exited;
    },
    signal(signal) {
      if (running.child.exitCode === null && running.child.signalCode === null) {
        signalTree(running.pid, signal);
      }
    },
    stop,
    async restart({ empty = false } = {}) {
      await stop();
      if (empty) {
        await plan.removeData();
        await plan.prepare(port);
      }
      running = await startOn(plan, port, logFile, (lines) => portTaken.test(lines));
    },
    [Symbol.asyncDispose]: stop,
  };
}

async function firstStart(plan: ServerPlan, logFile: string): Promise<{ port: number; running: Running }> {
  for (let attempt = 1; ; attempt += 1) {
    const port = plan.port ?? (await freePort({ redisCluster: plan.redisCluster ?? false }));
    try {
      await plan.prepare(port);
      return { port, running: await startOn(plan, port, logFile, () => false) };
    } catch (error) {
      const another = plan.port === undefined && attempt < PORT_ATTEMPTS;
      if (!another || !(error instanceof LocalServerError) || !portTaken.test(error.message)) throw error;
    }
  }
}

/** Repeats a start whose failure is transient, all within the time for one. */
async function startOn(
  plan: ServerPlan,
  port: number,
  logFile: string,
  isTransient: (lines: string) => boolean,
): Promise<Running> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  for (;;) {
    const from = await sizeOf(logFile);
    const running = launch(plan, logFile);
    const problem = await untilReady(plan, port, running, deadline);
    if (problem === undefined) return running;
    signalTree(running.pid, 'SIGKILL');
    await running.exited;
    const lines = await lastLines(logFile, from);
    const again = isTransient(lines) || plan.transient?.test(lines) === true;
    if (!again || performance.now() > deadline) {
      const message = `${plan.name} on port ${port} ${problem}. The end of ${logFile}:\n${lines}`;
      throw new LocalServerError('not_ready', message);
    }
    await sleep(200);
  }
}

function launch(plan: ServerPlan, logFile: string): Running {
  const log = openSync(logFile, 'a', 0o600);
  try {
    const child = startChild(plan.command, log);
    const exited = new Promise<ServerExit>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    exited.catch(() => undefined); // whoever waits for it hears of it
    if (child.pid === undefined) {
      throw new LocalServerError('not_ready', `${plan.command.path} cannot be started`);
    }
    return { child, pid: child.pid, exited };
  } finally {
    closeSync(log);
  }
}

/** Why it is not ready, `undefined` when it is. */
async function untilReady(
  plan: ServerPlan,
  port: number,
  { exited }: Running,
  deadline: number,
): Promise<string | undefined> {
  const end = exited.then(({ code, signal }) => `ended (${signal ?? `exit code ${code}`})`);
  let last: unknown;
  while (performance.now() < deadline) {
    const answer = plan.ask(port).then(
      () => 'ready' as const,
      (error: unknown) => {
        last = error;
      },
    );
    const first = await Promise.race([answer, end]);
    if (first === 'ready') return undefined;
    const ended = first ?? (await Promise.race([end, sleep(ASK_EVERY_MS)]));
    if (ended !== undefined) return ended;
  }
  const why = last instanceof Error ? `: ${last.message}` : '';
  return `did not answer within ${READY_TIMEOUT_MS} ms${why}`;
}
