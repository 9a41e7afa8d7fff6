/**
 * A mark in the environment of every child, which its descendants inherit: whoever left the child's process group is still
 * found when the child ends, and what a gateway that was killed left behind is found when the next one starts.
 */
import { readlink } from 'node:fs/promises';
import { look, processes, signalTo, variableOf, type Seen } from './processes.ts';

export const MARK = 'SALLYPORT_CHILD';

/** `<namespace>.<pid>.<start>`: this gateway, never another with the same pid. Empty where there is no `/proc`. */
export async function ownMark(): Promise<string> {
  const [self, namespace] = await Promise.all([look(process.pid), namespaceOf()]);
  return self === undefined ? '' : `${namespace}.${self.pid}.${self.start}`;
}

/** Pids mean something within it alone: a container's gateway is not seen from outside by the pid it knows itself by. */
async function namespaceOf(): Promise<string> {
  const link = await readlink('/proc/self/ns/pid').catch(() => '');
  return /\d+/u.exec(link)?.[0] ?? '0';
}

/** Kills everything that was started with this mark and is still there. */
export async function killMarked(mark: string): Promise<number> {
  return killWhere(async (each) => (await variableOf(each.pid, MARK)) === mark);
}

/** Kills what gateways that are no more have left. Their number. */
export async function killOrphans(): Promise<number> {
  const all = await processes();
  const alive = new Set(all.map(({ pid, start }) => `${pid}.${start}`));
  const here = await namespaceOf();
  return killWhere(async (each) => {
    const mark = (await variableOf(each.pid, MARK)) ?? '';
    const [, namespace, gateway] = /^(\d+)\.(\d+\.\d+)\./u.exec(mark) ?? [];
    return gateway !== undefined && namespace === here && !alive.has(gateway);
  }, all);
}

async function killWhere(isMeant: (each: Seen) => Promise<boolean>, all?: readonly Seen[]): Promise<number> {
  const killed = await Promise.all(
    (all ?? (await processes())).map(
      async (each) => each.pid !== process.pid && (await isMeant(each)) && signalTo(each.pid, 'SIGKILL'),
    ),
  );
  return killed.filter(Boolean).length;
}
