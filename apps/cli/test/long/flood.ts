/** As many requests at once as the second door will ever see: each is served or told to come again, and probes still answer. */
import { readFile } from 'node:fs/promises';
import { connect, type TLSSocket } from 'node:tls';
import { setTimeout as delay } from 'node:timers/promises';
import { startDoor } from '../support/door.ts';
import { get } from '../support/probes.ts';

export type FloodOptions = { readonly requests: number; readonly log: (line: string) => void };

export type FloodResult = {
  readonly requests: number;
  /** By HTTP status; `none`: the connection ended without one. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly seconds: number;
  /** Of the whole embedded system, before and at its highest, MiB. */
  readonly memory: { readonly before: number; readonly most: number };
  readonly probes: { readonly asked: number; readonly answered: number; readonly slowestMs: number };
  readonly violations: readonly string[];
};

const ROUTE = 'everything';
const CONNECTING = 100;
const KEEP_EVERY_MS = 20_000;
/** For the last of those small requests to be answered. */
const SETTLE_MS = 3_000;
const ANSWER_WITHIN_MS = 120_000;
const PROBE_EVERY_MS = 500;
const MAX_MEMORY_MIB = 2_048;

export async function flood({ requests, log }: FloodOptions): Promise<FloodResult> {
  await using door = await startDoor({});
  const port = Number(new URL(door.url(ROUTE)).port);
  const { access_token: token } = await door.token(ROUTE);
  const memory = { before: await residentMiB(door.pid), most: 0 };
  log(`connecting ${requests} times …`);
  const kept: Kept[] = [];
  try {
    while (kept.length < requests) {
      const wave = Math.min(CONNECTING, requests - kept.length);
      kept.push(...(await Promise.all(Array.from({ length: wave }, () => connected(port, door.ca)))));
    }
    for (const { release } of kept) release();
    await delay(SETTLE_MS);
    log('sending all at once …');
    const startedAt = performance.now();
    const watching = new AbortController();
    const watched = watch(port, door.ca, door.pid, memory, watching.signal);
    const bytes = requestBytes(port, token);
    const answers = await Promise.all(kept.map(({ socket }) => statusOf(socket, bytes)));
    const seconds = (performance.now() - startedAt) / 1_000;
    watching.abort();
    const probes = await watched;
    const statuses: Record<string, number> = {};
    for (const status of answers) statuses[status] = (statuses[status] ?? 0) + 1;
    const violations: string[] = [];
    for (const [status, count] of Object.entries(statuses))
      if (status !== '200' && status !== '503') violations.push(`${count} requests ended with ${status}`);
    if (statuses['200'] === undefined) violations.push('nothing was served');
    if (probes.answered < probes.asked)
      violations.push(`${probes.asked - probes.answered} probes had no answer`);
    if (memory.most > MAX_MEMORY_MIB) violations.push(`${memory.most} MiB of memory`);
    return { requests, statuses, seconds, memory, probes, violations };
  } finally {
    for (const { socket } of kept) socket.destroy();
  }
}

type Kept = { readonly socket: TLSSocket; release(): void };

const PROBE = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n';

/** Kept by a small request now and then: what is quiet for a minute is closed, and to connect so often takes longer. */
function connected(port: number, ca: string): Promise<Kept> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', servername: 'localhost', port, ca });
    const timer = setInterval(() => socket.write(PROBE), KEEP_EVERY_MS);
    const release = (): void => clearInterval(timer);
    socket.on('data', () => resolve({ socket, release }));
    socket.once('close', release);
    socket.on('error', reject);
    socket.write(PROBE);
  });
}

function requestBytes(port: number, token: string): string {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const params = { name: 'echo', arguments: { message: 'flood' }, _meta: meta };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
  return (
    `POST /mcp/${ROUTE} HTTP/1.1\r\nHost: localhost:${port}\r\nAuthorization: Bearer ${token}\r\n` +
    'Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n' +
    'MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n' +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}

function statusOf(socket: TLSSocket, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve('closed before');
    const timer = setTimeout(() => resolve('none'), ANSWER_WITHIN_MS);
    const end = (status: string): void => {
      clearTimeout(timer);
      resolve(status);
    };
    socket.once('data', (data: Buffer) => end(/^HTTP\/1\.1 (\d{3})/u.exec(String(data))?.[1] ?? 'none'));
    socket.once('close', () => end('none'));
    socket.on('error', () => end('none'));
    socket.write(bytes);
  });
}

async function watch(
  port: number,
  ca: string,
  pid: number,
  memory: { most: number },
  signal: AbortSignal,
): Promise<FloodResult['probes']> {
  const probes = { asked: 0, answered: 0, slowestMs: 0 };
  while (!signal.aborted) {
    memory.most = Math.max(memory.most, await residentMiB(pid));
    const askedAt = performance.now();
    probes.asked += 1;
    const answer = await get(port, '/healthz', ca).catch(() => undefined);
    if (answer?.status === 200) probes.answered += 1;
    probes.slowestMs = Math.max(probes.slowestMs, Math.round(performance.now() - askedAt));
    await delay(PROBE_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
  return probes;
}

async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Math.round(Number(/^VmRSS:\s+(\d+) kB$/mu.exec(status)?.[1] ?? 0) / 1_024);
}
