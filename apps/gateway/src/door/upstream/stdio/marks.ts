/**
 * A mark in the environment of every child, which its descendants inherit: whoever left the child's process group is still
 * found when the child ends, and what a gateway that was killed left behind is found when the next one starts.
 */
import { look, processes, signalTo, variableOf, type Seen } from './processes.ts';

export const MARK = 'SALLYPORT_CHILD';

/** `<pid>.<start>`: this gateway, never another with the same pid. Empty where there is no `/proc`. */
export async function ownMark(): Promise<string> {
  const self = await look(process.pid);
  return self === undefined ? '' : `${self.pid}.${self.start}`;
}

/** Kills everything that was started with this mark and is still there. */
export async function killMarked(mark: string): Promise<number> {
  return killWhere(async (each) => (await variableOf(each.pid, MARK)) === mark);
}

/** Kills what gateways that are no more have left. Their number. */
export async function killOrphans(): Promise<number> {
  const all = await processes();
  const alive = new Set(all.map(({ pid, start }) => `${pid}.${start}`));
  return killWhere(async (each) => {
    const gateway = /^(\d+\.\d+)\./u.exec((await variableOf(each.pid, MARK)) ?? '')?.[1];
    return gateway !== undefined && !alive.has(gateway);
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
