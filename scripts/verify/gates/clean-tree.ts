import type { Gate } from '../gate.ts';
import { run } from '../run.ts';

/** Everything is committed: the verdict is about a commit. Runs last, so that it also sees what a gate left behind. */
export const cleanTree: Gate = {
  name: 'clean-tree',
  async check({ root }) {
    const { code, stdout, output } = await run('git', ['status', '--porcelain'], { cwd: root });
    if (code !== 0) return { ok: false, summary: 'git status failed', output };
    if (stdout.trim() === '') return { ok: true, summary: 'nothing uncommitted' };
    return { ok: false, summary: 'uncommitted changes; while working: pnpm verify --allow-dirty', output };
  },
  selfTest: { expected: [/\?\? forgotten\.txt/], uncommitted: true },
};
