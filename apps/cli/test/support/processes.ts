/** Which processes belong to a state folder: by what stands on their command line, and whose children they are. */
import { readdir, readFile } from 'node:fs/promises';

/** Pids of every process that has the folder on its command line, and of all that `pid` started, itself included. */
export async function processesOf(folder: string, pid: number): Promise<readonly number[]> {
  const all = (await readdir('/proc')).map(Number).filter((name) => Number.isInteger(name));
  const seen = await Promise.all(
    all.map(async (each) => {
      const [command, status] = await Promise.all([
        readFile(`/proc/${each}/cmdline`, 'utf8').catch(() => ''),
        readFile(`/proc/${each}/stat`, 'utf8').catch(() => ''),
      ]);
      // proc(5): after the name in parentheses come the state and the parent.
      const [state, parent] = status.slice(status.lastIndexOf(')') + 2).split(' ');
      return { pid: each, command, parent: Number(parent), isGone: status === '' || state === 'Z' };
    }),
  );
  const ours = new Set([pid]);
  for (let grew = true; grew;) {
    grew = false;
    for (const each of seen) {
      const isOurs = ours.has(each.parent) || each.command.includes(folder);
      if (!isOurs || ours.has(each.pid)) continue;
      ours.add(each.pid);
      grew = true;
    }
  }
  return seen.filter((each) => ours.has(each.pid) && !each.isGone).map((each) => each.pid);
}
