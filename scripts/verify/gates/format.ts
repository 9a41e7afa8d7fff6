import { join } from 'node:path';
import type { Gate } from '../gate.ts';
import { run } from '../run.ts';
import { some } from '../tree.ts';

const FORMATTED = /\.(ts|mjs|js|json|jsonc|md|ya?ml)$/;

/** Every file that prettier formats and .prettierignore does not name is as prettier would write it. */
export const format: Gate = {
  name: 'format',
  async check({ root, files, bin }) {
    const candidates = files.filter((file) => FORMATTED.test(file));
    // prettier says nothing about files it leaves alone; ask it for the verdict of each through its list of the bad ones.
    const { code, stdout, output } = await run(join(bin, 'prettier'), ['--list-different', ...candidates], {
      cwd: root,
      bin,
    });
    const bad = stdout.split('\n').filter((line) => candidates.includes(line));
    if (code === 0 && candidates.length > 0) return { ok: true, summary: `${candidates.length} files` };
    return { ok: false, summary: `not formatted: ${some(bad) || 'see below'}. Run: pnpm format`, output };
  },
  selfTest: { expected: [/packages\/crypto\/src\/untidy\.ts/] },
};
