/** Services that are away for as long as a test wants: `up` starts again what ends, so it is ended again. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceName } from '@sallyport/service/identity';
import type { ClusterView } from './cluster-view.ts';

/** Over when disposed; may be disposed twice. */
export type Fault = AsyncDisposable;

const LOOK_EVERY_MS = 20;

/** Kills every replica, and whatever is started in its place. Resolves when the first ones are gone. */
export async function keepDown(view: ClusterView, service: ServiceName): Promise<Fault> {
  const isOver = new AbortController();
  const killed = new Set<number>();
  const kill = async (): Promise<void> => {
    for (const { pid } of await view.processes(service)) {
      if (pid === null || killed.has(pid)) continue;
      killed.add(pid);
      signal(pid, 'SIGKILL');
    }
  };
  await kill();
  const killing = (async () => {
    while (!isOver.signal.aborted) {
      await kill();
      await sleep(LOOK_EVERY_MS);
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      isOver.abort();
      await killing;
    },
  };
}

/** Stops every replica where it stands: connections stay, nobody answers. */
export async function pauseAll(view: ClusterView, service: ServiceName): Promise<Fault> {
  const pids = (await view.processes(service)).flatMap(({ pid }) => (pid === null ? [] : [pid]));
  for (const pid of pids) signal(pid, 'SIGSTOP');
  return {
    async [Symbol.asyncDispose]() {
      for (const pid of pids.splice(0)) signal(pid, 'SIGCONT');
    },
  };
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it is gone already
  }
}
