/** One process of one service: started, its lines passed on, its end told. It ends when this process does, however that dies. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { ProcessReport } from '@sallyport/service/process';

export type ChildEnd = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type ChildOptions = {
  readonly main: string;
  readonly configFile: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly onLine: (line: string) => void;
  readonly onReport: (report: ProcessReport) => void;
};

export type Child = {
  /** Undefined when it could not even be started. */
  readonly pid: number | undefined;
  readonly ended: Promise<ChildEnd>;
  signal(name: NodeJS.Signals): void;
};

export function startChild({ main, configFile, env, onLine, onReport }: ChildOptions): Child {
  const child = spawn(process.execPath, [main, '--config', configFile], {
    // The channel closes with this process, and the child ends by that.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // A process group of its own: Ctrl-C in a terminal is for us, and we stop children in order.
    detached: true,
    env,
  });
  const ended = endOf(child);
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream }).on('line', onLine);
  }
  child.on('message', (message) => onReport(message as ProcessReport));
  return {
    pid: child.pid,
    ended,
    signal(name) {
      if (child.exitCode === null && child.signalCode === null) child.kill(name);
    },
  };
}

function endOf(child: ChildProcess): Promise<ChildEnd> {
  return new Promise((resolve) => {
    child.once('error', () => resolve({ code: null, signal: null }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
}
