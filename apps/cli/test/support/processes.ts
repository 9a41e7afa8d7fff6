/** Which processes a process has started, and which are still there (proc(5)). */
import { readdir, readFile } from 'node:fs/promises';

type Seen = { readonly pid: number; readonly parent: number; readonly isOver: boolean };

async function look(pid: number): Promise<Seen> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // After the name in parentheses, which may hold anything, come the state and the parent.
  const [state, parent] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { pid, parent: Number(parent), isOver: text === '' || state === 'Z' };
}

/** The process and all that it started, and what those started. */
export async function processesOf(pid: number): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).map(Number).filter((name) => Number.isInteger(name));
  const seen = await Promise.all(pids.map(look));
  const ours = new Set([pid]);
  for (let before = 0; before < ours.size;) {
    before = ours.size;
    for (const each of seen) if (ours.has(each.parent)) ours.add(each.pid);
  }
  return seen.filter((each) => ours.has(each.pid) && !each.isOver).map((each) => each.pid);
}

/** Those that have not ended. */
export async function aliveOf(pids: readonly number[]): Promise<readonly number[]> {
  return (await Promise.all(pids.map(look))).filter(({ isOver }) => !isOver).map(({ pid }) => pid);
}
