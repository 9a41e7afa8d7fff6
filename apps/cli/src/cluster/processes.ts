/** The processes of the services, each supervised: its lines passed on, started again when it ends unasked. */
import { fileURLToPath } from 'node:url';
import type { ServiceName } from '@sallyport/service/identity';
import { CommandFailed } from '../exit.ts';
import { startChild, type Child, type ChildEnd } from './child.ts';
import type { Replica } from './layout.ts';
import { supervise, type Supervised } from './supervise.ts';

export type ServiceProcess = {
  readonly replica: Replica;
  pid(): number | undefined;
  /** Resolves when it is gone; with what was not clean about it, in words. */
  stop(): Promise<string | undefined>;
};

export type ProcessOptions = {
  /** Told of each start: the process has a new pid. */
  readonly onStart: () => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A line of a process's log. */
  readonly onLine: (line: string) => void;
  /** Something that a person should know: a process ended and will be started again. */
  readonly onNews: (text: string) => void;
  /** A process cannot start, by its own words, and waiting will not help. */
  readonly onHopeless: (error: CommandFailed) => void;
};

/** A whole drain of the gateway, and a little. */
const STOP_WITHIN_MS = 35_000;
const CONFIGURATION = 2;

export async function startProcess(replica: Replica, options: ProcessOptions): Promise<ServiceProcess> {
  const { name, service, configFile } = replica;
  let lastEnd: ChildEnd | undefined;
  let complaint: string | undefined;
  let isStopping = false;
  const start = async () => {
    complaint = undefined;
    const child = startChild({
      main: mainOf(service),
      configFile,
      env: childEnv(options.env),
      onLine: options.onLine,
      onReport(report) {
        if (report.kind === 'failed') complaint = report.message;
      },
    });
    // When the supervisor knows of it.
    setImmediate(options.onStart);
    return {
      pid: child.pid,
      ended: child.ended.then((end) => {
        lastEnd = end;
        return howItEnded(end);
      }),
      stop: () => stopChild(child),
    };
  };
  const supervised: Supervised = await supervise({
    start,
    isWorthwhile: () => lastEnd?.code !== CONFIGURATION,
    onDown(why, pauseMs) {
      if (complaint !== undefined)
        options.onHopeless(new CommandFailed(`Cannot start: ${name}: ${complaint}`));
      const then = pauseMs === undefined ? 'it is not started again' : `it is started again in ${pauseMs} ms`;
      if (!isStopping) options.onNews(`${name} ${why}; ${then}.`);
    },
  });
  return {
    replica,
    pid: () => supervised.pid(),
    async stop() {
      isStopping = true;
      const wasRunning = supervised.pid() !== undefined;
      await supervised.stop();
      return wasRunning && lastEnd?.code !== 0 ? `${name} ${howItEnded(lastEnd)}` : undefined;
    },
  };
}

async function stopChild(child: Child): Promise<void> {
  child.signal('SIGCONT'); // a stopped process hears nothing else
  child.signal('SIGTERM');
  const timer = setTimeout(() => child.signal('SIGKILL'), STOP_WITHIN_MS);
  await child.ended;
  clearTimeout(timer);
}

function howItEnded(end: ChildEnd | undefined): string {
  if (end === undefined) return 'is gone';
  return end.signal === null ? `ended with exit code ${end.code ?? 'none'}` : `was ended by ${end.signal}`;
}

/** Beside what the app exports: the file that runs it. */
const mainOf = (service: ServiceName): string =>
  fileURLToPath(new URL('./main.ts', import.meta.resolve(`@sallyport/${service}`)));

/**
 * Compiled code (node:module, "Module compile cache"), beside the code that it was made of, so that whoever may write one
 * may write the other: a process that is started again is there in half the time. Where nothing can be written, without.
 */
const COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/compile', import.meta.url));

/** Our own variables are for us: what a process is told stands in its file. */
function childEnv(env: ProcessOptions['env']): Record<string, string | undefined> {
  const passed = Object.entries(env).filter(([name]) => !name.startsWith('SALLYPORT_'));
  return { NODE_COMPILE_CACHE: COMPILE_CACHE, ...Object.fromEntries(passed) };
}
