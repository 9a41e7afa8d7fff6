/**
 * The processes of this machine, as Linux shows them in `/proc` (proc(5)); elsewhere there are none to see and everything
 * here is empty.
 */
import { readdir, readFile } from 'node:fs/promises';

export type Seen = {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  /** In clock ticks since boot: with the pid, one process for ever. */
  readonly start: string;
  readonly residentBytes: number;
};

const PAGE_BYTES = 4_096;

/** Those that could be read at this moment, in no order. */
export async function processes(): Promise<readonly Seen[]> {
  const names = await readdir('/proc').catch(() => []);
  const seen = await Promise.all(names.filter((name) => /^\d+$/u.test(name)).map((pid) => look(Number(pid))));
  return seen.filter((each) => each !== undefined);
}

/** Undefined for one that is not there, or is dead and not yet waited for. */
export async function look(pid: number): Promise<Seen | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  // The name is in parentheses and may hold anything, parentheses too.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, parent, group] = fields;
  const start = fields[19];
  if (start === undefined || state === 'Z' || state === 'X') return undefined;
  const residentBytes = Number(fields[21] ?? 0) * PAGE_BYTES;
  return { pid, parent: Number(parent), group: Number(group), start, residentBytes };
}

/** A group's processes and everything that descends from its leader, wherever it went. */
export function family(all: readonly Seen[], leader: number): readonly Seen[] {
  const byParent = Map.groupBy(all, ({ parent }) => parent);
  const found = new Map(all.filter(({ group }) => group === leader).map((each) => [each.pid, each]));
  const open = [leader, ...found.keys()];
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    for (const child of byParent.get(pid) ?? []) {
      if (found.has(child.pid)) continue;
      found.set(child.pid, child);
      open.push(child.pid);
    }
  }
  return [...found.values()];
}

/**
 * `leader` and what its first thread and theirs have started, by asking for these alone; empty where Linux does not say it.
 * One whose parent has ended is not among them: `family` of all processes finds it, at the price of looking at each.
 */
export async function descendants(leader: number): Promise<readonly Seen[]> {
  const text = await readFile(`/proc/${leader}/task/${leader}/children`, 'latin1').catch(() => undefined);
  const self = text === undefined ? undefined : await look(leader);
  if (text === undefined || self === undefined) return [];
  const children = text.split(' ').filter((pid) => pid !== '');
  return [self, ...(await Promise.all(children.map((pid) => descendants(Number(pid))))).flat()];
}

/** Value of a variable in the environment that the process was started with; undefined where it may not be looked at. */
export async function variableOf(pid: number, name: string): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
  const found = text.split('\0').find((each) => each.startsWith(`${name}=`));
  return found?.slice(name.length + 1);
}

/** To a process or, negative, to a group. False: there is none. */
export function signalTo(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}
