import { join } from 'node:path';
import type { Gate } from '../gate.ts';
import { run } from '../run.ts';
import { sourceFiles } from '../tree.ts';

/** oxlint with the rules of .oxlintrc.json, those that need types among them, over every source file. */
export const lint: Gate = {
  name: 'lint',
  async check(tree) {
    const expected = sourceFiles(tree).length;
    const { code, output } = await run(join(tree.bin, 'oxlint'), ['--type-aware', '--deny-warnings'], {
      cwd: tree.root,
      bin: tree.bin,
    });
    const read = Number(/ on (\d+) files? /.exec(output)?.[1] ?? 0);
    if (read < expected)
      return {
        ok: false,
        summary: `oxlint read ${read} files of ${expected}: look at ignorePatterns`,
        output,
      };
    if (code !== 0) return { ok: false, summary: 'see below; pnpm lint shows the same', output };
    return { ok: true, summary: `${read} files` };
  },
  selfTest: {
    expected: [
      /no-floating-promises/,
      /no-misused-promises/,
      /no-explicit-any/,
      /no-console/,
      /no-default-export/,
      /import\(no-cycle\)/,
      /switch-exhaustiveness-check/,
      /no-restricted-globals.*|Time comes in through a Clock/,
    ],
  },
};
