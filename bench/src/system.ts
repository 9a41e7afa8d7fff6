/** A Sallyport of its own for a measurement: started in a fresh state folder, its processor time read, then stopped. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export type Profile = 'embedded' | 'cluster';

export type MeasuredSystem = AsyncDisposable & {
  readonly home: string;
  readonly channelAddress: string;
  /** Of its HTTPS port. */
  readonly origin: string;
  /** One command to its end: what it says with `--json`, line by line. Rejects when it fails. */
  command(...args: string[]): Promise<unknown[]>;
  /** User and system time so far of the process that the gateway runs in, all threads, in seconds. */
  cpuSeconds(): Promise<number>;
  /** The same by thread name: `main`, and what Node calls its others. */
  cpuSecondsByThread(): Promise<ReadonlyMap<string, number>>;
};

const CLI = join(import.meta.dirname, '../../apps/cli/bin/sallyport.js');
const START_TIMEOUT_MS = 90_000;
const STOP_TIMEOUT_MS = 15_000;
// proc(5): utime and stime are fields 14 and 15, in clock ticks, of which Linux has 100 a second on every platform.
const TICKS_PER_SECOND = 100;
const PORTS = 7;

/**
 * In the cluster profile one gateway is measured, with servers and the other services in processes of their own. Throws,
 * with what the process wrote, when it does not become ready. Linux only: reads /proc.
 */
export async function startSystem(profile: Profile, configuration?: object): Promise<MeasuredSystem> {
  const home = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
  if (configuration !== undefined)
    await writeFile(join(home, 'sallyport.yaml'), JSON.stringify(configuration), { mode: 0o600 });
  const base = await freePortBase();
  const args = ['up', '--profile', profile, '--json', '--home', home, '--port-base', String(base)];
  const child = spawn(process.execPath, [CLI, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, SALLYPORT_HOME: home, SALLYPORT_PORT_BASE: String(base) },
  });
  let pid: number;
  try {
    await untilReady(child);
    pid = profile === 'embedded' ? (child.pid ?? 0) : await gatewayOf(home);
  } catch (error) {
    child.kill('SIGKILL');
    await rm(home, { recursive: true, force: true });
    throw error;
  }
  return {
    home,
    channelAddress: `localhost:${base + 1}`,
    origin: `https://localhost:${base}`,
    async command(...given) {
      const where = ['--json', '--home', home, '--port-base', String(base)];
      const { stdout } = await promisify(execFile)(process.execPath, [CLI, ...given, ...where]);
      return stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line): unknown => JSON.parse(line));
    },
    cpuSeconds: async () => (await readStat(`/proc/${pid}/stat`)).seconds,
    async cpuSecondsByThread() {
      const threads = await readdir(`/proc/${pid}/task`);
      const sums = new Map<string, number>();
      for (const thread of threads) {
        const { name, seconds } = await readStat(`/proc/${pid}/task/${thread}/stat`);
        const key = thread === String(pid) ? 'main' : name;
        sums.set(key, (sums.get(key) ?? 0) + seconds);
      }
      return sums;
    },
    async [Symbol.asyncDispose]() {
      await stop(child);
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** What `up` tells the commands of its state folder. */
async function gatewayOf(home: string): Promise<number> {
  const text = await readFile(join(home, 'cluster', 'endpoints.json'), 'utf8');
  const { processes } = JSON.parse(text) as { processes: { name: string; pid: number | null }[] };
  const pid = processes.find(({ name }) => name === 'gateway')?.pid;
  if (pid === undefined || pid === null) throw new Error('no gateway runs');
  return pid;
}

async function readStat(file: string): Promise<{ name: string; seconds: number }> {
  const stat = await readFile(file, 'utf8');
  const end = stat.lastIndexOf(')');
  const fields = stat.slice(end + 2).split(' ');
  const seconds = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  return { name: stat.slice(stat.indexOf('(') + 1, end), seconds };
}

function untilReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    const fail = (why: string): void => reject(new Error(`${why}\n${said}`));
    const timer = setTimeout(() => fail('Sallyport did not become ready'), START_TIMEOUT_MS);
    const listen = (chunk: Buffer): void => {
      said = `${said}${chunk.toString()}`.slice(-20_000);
    };
    child.stderr?.on('data', listen);
    child.stdout?.on('data', (chunk: Buffer) => {
      listen(chunk);
      if (!said.includes('"ready":true')) return;
      clearTimeout(timer);
      resolve();
    });
    child.once('exit', (code) => {
      clearTimeout(timer);
      fail(`Sallyport ended with ${code}`);
    });
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await gone;
  clearTimeout(timer);
}

/** The first of as many consecutive ports as a system takes, all free a moment ago. */
async function freePortBase(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const base = 20_000 + Math.floor(Math.random() * 30_000);
    const ports = Array.from({ length: PORTS }, (_, index) => base + index);
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return base;
  }
  throw new Error('no free ports found');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
