/** Clients of the Model Context Protocol ecosystem, unmodified, each in a process of its own (`stock-client-main.ts`). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const STOCK_CLIENTS = [
  /** `@modelcontextprotocol/sdk` 1: sessions. */
  'sdk-v1',
  /** `@modelcontextprotocol/client` 2, held to revision 2025-11-25 and to 2026-07-28. */
  'client-v2-session',
  'client-v2-stateless',
  /** `mcp-remote`, a bridge that clients which only know stdio are given. */
  'mcp-remote',
] as const;
export type StockClientName = (typeof STOCK_CLIENTS)[number];

export type StockStep =
  | { readonly kind: 'tools' | 'resources' | 'prompts' }
  | { readonly kind: 'call'; readonly name: string; readonly arguments: Readonly<Record<string, unknown>> }
  | { readonly kind: 'read'; readonly uri: string }
  | { readonly kind: 'prompt'; readonly name: string; readonly arguments: Readonly<Record<string, string>> };

export type StockJob = {
  readonly url: string;
  readonly token?: string;
  readonly steps: readonly StockStep[];
};

export type StockAnswer = {
  readonly names?: readonly string[];
  readonly text?: string;
  readonly isError?: boolean;
  /** What the client's own error says: its connection's, or one step's. */
  readonly failure?: string;
};

const MAIN = join(import.meta.dirname, 'stock-client-main.ts');

/** One client through several jobs, each a connection of its own. Answers in the order of the jobs and their steps. */
export async function runStockClient(
  name: StockClientName,
  jobs: readonly StockJob[],
  { caFile, timeoutMs = 60_000 }: { readonly caFile?: string; readonly timeoutMs?: number } = {},
): Promise<StockAnswer[][]> {
  // mcp-remote keeps what it knows of servers in the home folder.
  const home = await mkdtemp(join(tmpdir(), 'stock-client-'));
  const child = spawn(process.execPath, [MAIN, name], {
    env: {
      PATH: process.env['PATH'],
      HOME: home,
      ...(caFile === undefined ? {} : { NODE_EXTRA_CA_CERTS: caFile }),
    },
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.end(JSON.stringify(jobs));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  await rm(home, { recursive: true, force: true });
  if (code !== 0) throw new Error(`${name} ended with ${signal ?? code}:\n${err.slice(-4000)}`);
  return JSON.parse(out) as StockAnswer[][];
}
