/** A gateway that is killed without a chance to clean up. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openUpstream } from '../../../src/door/upstream/index.ts';
import { stage } from './support.ts';

const script = (name: string): string => fileURLToPath(new URL(`servers/${name}.ts`, import.meta.url));
const hasSetpriv = existsSync('/usr/bin/setpriv') || existsSync('/bin/setpriv');

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(isTrue: () => boolean): Promise<void> {
  for (const end = performance.now() + 5_000; performance.now() < end; await sleep(20)) if (isTrue()) return;
  throw new Error('it did not happen in time');
}

test.runIf(process.platform === 'linux' && hasSetpriv)(
  'its child, deaf to the end of stdin, dies with it, and what the child left is ended by the next gateway',
  async () => {
    await using held = await stage();
    const gateway = spawn(process.execPath, [script('gateway'), script('hostile'), held.ports.workFolder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let pids: readonly number[] = [];
    for await (const line of createInterface({ input: gateway.stdout })) {
      pids = (JSON.parse(line) as readonly [{ result: { pids: readonly number[] } }])[0].result.pids;
      break;
    }
    expect(pids.map(isAlive)).toEqual([true, true, true]);
    gateway.kill('SIGKILL');
    const [child = 0] = pids;
    await until(() => !isAlive(child));

    await using next = await openUpstream(
      { kind: 'stdio', command: process.execPath, args: [script('hostile'), 'echo'] },
      held.ports,
    );
    await until(() => !pids.some(isAlive));
    expect(next.trouble()).toBeUndefined();
  },
);
