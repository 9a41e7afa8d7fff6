/**
 * What stands between the client and the echo server: nothing, `mcp-proxy`, `supergateway`, or the gateway. The proxies are
 * started as their READMEs say, with sessions, since the session era is what all of them speak.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openHttpSession, openPool, openStdioSession, type Caller, type HttpTarget } from './callers.ts';

const require = createRequire(import.meta.url);
export const ECHO_SERVER = join(import.meta.dirname, 'echo-server.ts');
const START_TIMEOUT_MS = 30_000;
// proc(5): utime and stime are fields 14 and 15, in clock ticks, of which Linux has 100 a second on every platform.
const TICKS_PER_SECOND = 100;

export type Target = AsyncDisposable & {
  readonly name: string;
  /** How it reaches the echo server: what is added is counted from the direct access of the same kind. */
  readonly upstream: 'http' | 'stdio';
  readonly isDirect: boolean;
  /** User and system time of the process between client and server; undefined where there is none. */
  cpuSeconds(): Promise<number | undefined>;
  /** One for each session; `connections` requests may be under way at once, all together. */
  open(sessions: number, connections: number): Promise<AsyncDisposable & { readonly callers: Caller[] }>;
};

export async function processSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

type HttpTargetOptions = {
  readonly name: string;
  readonly upstream: 'http' | 'stdio';
  readonly isDirect: boolean;
  readonly target: HttpTarget;
  readonly cpuSeconds: () => Promise<number | undefined>;
  readonly dispose?: () => Promise<void>;
};

export function httpTarget({ target, dispose, ...rest }: HttpTargetOptions): Target {
  return {
    ...rest,
    async open(sessions, connections) {
      const pool = openPool(target, connections);
      const callers: Caller[] = [];
      for (let index = 0; index < sessions; index += 1) callers.push(await openHttpSession(pool, target));
      return {
        callers,
        async [Symbol.asyncDispose]() {
          for (const caller of callers) await caller[Symbol.asyncDispose]();
          await pool.destroy();
        },
      };
    },
    [Symbol.asyncDispose]: () => dispose?.() ?? Promise.resolve(),
  };
}

/** The echo server over HTTP, and nothing before it. */
export async function directHttp(): Promise<Target & { readonly url: string }> {
  const child = spawn(process.execPath, [ECHO_SERVER, 'http'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const url = `http://127.0.0.1:${line.toString().trim()}/mcp`;
  const target = httpTarget({
    name: 'direct-http',
    upstream: 'http',
    isDirect: true,
    target: { url },
    cpuSeconds: () => Promise.resolve(undefined),
    dispose: () => stop(child),
  });
  return { ...target, url };
}

export function directStdio(): Target {
  return {
    name: 'direct-stdio',
    upstream: 'stdio',
    isDirect: true,
    cpuSeconds: () => Promise.resolve(undefined),
    async open(sessions) {
      const callers: Caller[] = [];
      for (let index = 0; index < sessions; index += 1)
        callers.push(await openStdioSession(process.execPath, [ECHO_SERVER, 'stdio']));
      return {
        callers,
        async [Symbol.asyncDispose]() {
          for (const caller of callers) await caller[Symbol.asyncDispose]();
        },
      };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

export async function mcpProxy(): Promise<Target> {
  const port = await freePort();
  return proxy('mcp-proxy', port, [
    require.resolve('mcp-proxy').replace(/index\.\w+$/u, 'bin/mcp-proxy.mjs'),
    '--host',
    '127.0.0.1',
    '--port',
    String(port),
    '--server',
    'stream',
    '--',
    process.execPath,
    ECHO_SERVER,
    'stdio',
  ]);
}

export async function supergateway(): Promise<Target> {
  const port = await freePort();
  return proxy('supergateway', port, [
    // It has no option for the interface.
    '--import',
    join(import.meta.dirname, 'loopback-only.ts'),
    require.resolve('supergateway/dist/index.js'),
    '--stdio',
    `'${process.execPath}' '${ECHO_SERVER}' stdio`,
    '--outputTransport',
    'streamableHttp',
    '--stateful',
    '--logLevel',
    'none',
    '--port',
    String(port),
  ]);
}

async function proxy(name: string, port: number, args: readonly string[]): Promise<Target> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  const listen = (chunk: Buffer): void => void (printed = `${printed}${chunk.toString()}`.slice(-4000));
  child.stdout.on('data', listen);
  child.stderr.on('data', listen);
  const url = `http://127.0.0.1:${port}/mcp`;
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(await isAnswering(url))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`${name} did not start:\n${printed}`);
    }
    await sleep(100);
  }
  return httpTarget({
    name,
    upstream: 'stdio',
    isDirect: false,
    target: { url },
    cpuSeconds: () => processSeconds(child.pid ?? 0),
    dispose: () => stop(child),
  });
}

const isAnswering = (url: string): Promise<boolean> =>
  fetch(url, { method: 'OPTIONS' }).then(
    () => true,
    () => false,
  );

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'close');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await gone;
  clearTimeout(timer);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
