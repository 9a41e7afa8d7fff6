/** What the tests of shared connections have in common. */
import { parseControl } from '@sallyport/channel';
import { fromHex } from '@sallyport/crypto';
import { afterEach, beforeEach, expect, vi } from 'vitest';
import type { Channel } from '../../src/index.ts';
import { body, text, type Behaviour, type TestGateway } from './gateway.ts';

/** However slow the machine is. */
export const eventually = (check: () => void): Promise<void> =>
  vi.waitFor(check, { timeout: 15_000, interval: 2 });

export const tick = (ms = 0): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Each test of the file fails on a rejection that nobody handled. */
export function watchRejections(): void {
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown): number => unhandled.push(reason);
  beforeEach(() => {
    unhandled.length = 0;
    process.on('unhandledRejection', onUnhandled);
  });
  afterEach(async () => {
    await tick(5);
    process.off('unhandledRejection', onUnhandled);
    expect(unhandled).toEqual([]);
  });
}

export async function works(...channels: readonly Channel[]): Promise<void> {
  for (const channel of channels) {
    expect(text((await channel.request('echo', body(channel.sessionId))).body)).toBe(channel.sessionId);
  }
}

/** Keeps back what the gateway says at one step of one handshake. */
export function holding(step: 'changeHello' | 'changeAccept', at = 0) {
  const held: Uint8Array[] = [];
  const behaviour: Behaviour = { [step]: (frame: Uint8Array) => (held.push(frame), []) };
  return { held, behaviourOf: (nth: number) => (nth === at ? behaviour : {}) };
}

/** Whether the client closed the session by a message. */
export const isTold = ({ controls }: TestGateway): boolean =>
  controls.some(({ payload }) => {
    const parsed = parseControl(payload);
    return parsed.ok && parsed.control.kind === 'close';
  });

export function sidOf(hex: string): Uint8Array {
  const sid = fromHex(hex);
  if (sid === undefined) throw new Error('no hex');
  return sid;
}

/** The same frame under another session's name. */
export function renamed(frame: Uint8Array, sid: string): Uint8Array {
  const copy = frame.slice();
  copy.set(sidOf(sid), 2);
  return copy;
}
