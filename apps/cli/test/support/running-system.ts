/** `sallyport up` as a child process, as a user starts it, on a state folder and ports of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { readEndpoints, type Endpoints } from '../../src/cluster/endpoints.ts';
import type { Home } from '../../src/state/home.ts';

const BIN = join(import.meta.dirname, '..', '..', 'bin', 'sallyport.js');
/** A first start on a busy machine with two cores; what is asserted about start-up times is asserted elsewhere. */
const READY_TIMEOUT_MS = 60_000;
const EXIT_TIMEOUT_MS = 30_000;

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type Started = AsyncDisposable & {
  readonly home: Home;
  readonly pid: number;
  readonly readyAfterMs: number;
  readonly out: () => string;
  readonly err: () => string;
  /** The processes of the cluster profile as they are now: pids change when one is started again. */
  endpoints(): Promise<Endpoints>;
  signal(name: NodeJS.Signals): void;
  /** Resolves when the process is gone; kills it and rejects when that takes too long. */
  exited(): Promise<Exit>;
  /** One Ctrl-C, then its end. */
  stop(): Promise<Exit>;
};

export type UpOptions = {
  readonly args?: readonly string[];
  /** Default `embedded`. */
  readonly profile?: 'embedded' | 'cluster';
  /** Of the cluster profile, e.g. `gateway=2,audit-service=2`. */
  readonly replicas?: string;
  /** Further variables, for it and what it starts. */
  readonly env?: Readonly<Record<string, string>>;
};

/** Resolves when it says that it is ready; rejects with what it printed when it ends before. */
export async function startSystem(
  home: Home,
  { args = [], profile = 'embedded', replicas, env = {} }: UpOptions = {},
): Promise<Started> {
  const startedAt = performance.now();
  const given = [...(replicas === undefined ? [] : ['--replicas', replicas]), ...args];
  const child = spawnSallyport(home, ['up', '--profile', profile, ...given], env);
  const printed = collect(child);
  const exit = exitOf(child);
  const isReady = new Promise<boolean>((resolve) => {
    child.stdout?.on('data', () => {
      if (printed.out.includes('Ctrl-C stops it.')) resolve(true);
    });
    void exit.then(() => resolve(false));
  });
  const ready = await bounded(isReady, READY_TIMEOUT_MS).catch(() => false);
  if (!ready) {
    child.kill('SIGKILL');
    await exit;
    throw new Error(`up did not become ready:\n${printed.out}${printed.err}`);
  }
  const readyAfterMs = performance.now() - startedAt;
  const exited = (): Promise<Exit> =>
    bounded(exit, EXIT_TIMEOUT_MS).catch(async () => {
      child.kill('SIGKILL');
      await exit;
      throw new Error(`up did not end within ${EXIT_TIMEOUT_MS} ms:\n${printed.out}${printed.err}`);
    });
  const stop = (): Promise<Exit> => {
    child.kill('SIGINT');
    return exited();
  };
  return {
    home,
    pid: child.pid ?? -1,
    readyAfterMs,
    out: () => printed.out,
    err: () => printed.err,
    async endpoints() {
      const found = await readEndpoints(home);
      if (found === undefined) throw new Error(`no cluster runs in ${home.folder}`);
      return found;
    },
    signal: (name) => void child.kill(name),
    exited,
    stop,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) await stop();
    },
  };
}

export type Finished = Exit & { readonly out: string; readonly err: string; readonly tookMs: number };

/** One command as a process of its own, to its end. */
export async function runProcess(
  home: Home,
  args: readonly string[],
  { timeoutMs = READY_TIMEOUT_MS, input }: { readonly timeoutMs?: number; readonly input?: string } = {},
): Promise<Finished> {
  const startedAt = performance.now();
  const child = spawnSallyport(home, args);
  const printed = collect(child);
  child.stdin?.end(input ?? '');
  return finish(child, printed, startedAt, timeoutMs);
}

/** A command line as a person would paste it, `npx sallyport` standing for this checkout's. */
export async function runPasted(line: string, timeoutMs = READY_TIMEOUT_MS): Promise<Finished> {
  const startedAt = performance.now();
  const here = `'${process.execPath}' '${BIN}'`;
  const child = spawn('sh', ['-c', line.replace(/^npx sallyport/u, `exec ${here}`)], { env: baseEnv() });
  return finish(child, collect(child), startedAt, timeoutMs);
}

async function finish(
  child: ChildProcess,
  printed: Printed,
  startedAt: number,
  timeoutMs: number,
): Promise<Finished> {
  const exit = exitOf(child);
  const ended = await bounded(exit, timeoutMs).catch(async () => {
    child.kill('SIGKILL');
    await exit;
    throw new Error(`no end within ${timeoutMs} ms:\n${printed.out}${printed.err}`);
  });
  return { ...ended, ...printed, tookMs: performance.now() - startedAt };
}

function spawnSallyport(
  home: Home,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): ChildProcess {
  return spawn(process.execPath, [BIN, ...args], {
    env: { ...baseEnv(), ...env, SALLYPORT_HOME: home.folder, SALLYPORT_PORT_BASE: String(home.ports.https) },
  });
}

/** The test runner's own variables stay out. */
const baseEnv = (): NodeJS.ProcessEnv => ({ PATH: process.env['PATH'], HOME: process.env['HOME'] });

type Printed = { out: string; err: string };

function collect(child: ChildProcess): Printed {
  const printed = { out: '', err: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (printed.out += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (printed.err += text));
  return printed;
}

async function exitOf(child: ChildProcess): Promise<Exit> {
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal };
}

async function bounded<T>(work: Promise<T>, ms: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`nothing within ${ms} ms`)), ms);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** What `probe` gives once it gives something; fails after `ms` with what it was waiting for. */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined>,
  ms = 15_000,
): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`${what}: not within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
