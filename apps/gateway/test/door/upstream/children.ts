/** Tests of child processes: the hostile child, its sessions, and processes that are or are not there. */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Message } from '@sallyport/model-context';
import { expect } from 'vitest';
import type { Upstream } from '../../../src/door/ports.ts';
import type { StdioUpstreamConfig } from '../../../src/door/upstream/index.ts';
import { callOf, initialize, messagesOf, type CallOptions } from './support.ts';

const HOSTILE = fileURLToPath(new URL('servers/hostile.ts', import.meta.url));
export const MIB = 1024 * 1024;
export const onLinux = process.platform === 'linux';

export const child = (
  mode: string,
  config: Partial<StdioUpstreamConfig> = {},
  argument = '',
): StdioUpstreamConfig => ({
  kind: 'stdio',
  command: process.execPath,
  args: [HOSTILE, mode, argument],
  ...config,
});

/** Opened by `user:alice` unless told. */
export async function session(upstream: Upstream, options: CallOptions = {}): Promise<string> {
  const exchange = await upstream.send(callOf(initialize(), options));
  expect(await messagesOf(exchange)).toMatchObject([{ id: 0, result: { protocolVersion: '2025-11-25' } }]);
  if (exchange.sessionId === undefined) throw new Error('no session was opened');
  return exchange.sessionId;
}

export const resultOf = (messages: readonly Message[]): Readonly<Record<string, unknown>> => {
  const last = messages.at(-1);
  if (last === undefined || !('result' in last)) throw new Error('there is no result');
  return last.result;
};

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export async function until(isTrue: () => boolean | Promise<boolean>, ms = 5_000): Promise<void> {
  for (const end = performance.now() + ms; performance.now() < end; await sleep(20))
    if (await isTrue()) return;
  throw new Error('it did not happen in time');
}
