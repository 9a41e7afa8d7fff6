import { join } from 'node:path';
import type { Gate } from '../gate.ts';
import { run } from '../run.ts';
import { sourceFiles } from '../tree.ts';

/** knip: no file, export or dependency that nothing uses, and none used that is not declared. */
export const deadCode: Gate = {
  name: 'dead-code',
  async check(tree) {
    const { code, output } = await run(join(tree.bin, 'knip'), ['--no-progress', '--no-config-hints'], {
      cwd: tree.root,
      bin: tree.bin,
    });
    if (code !== 0)
      return { ok: false, summary: 'remove what nothing uses, or say in knip.json why it stays', output };
    return { ok: true, summary: `${sourceFiles(tree).length} files` };
  },
  selfTest: {
    expected: [
      /Unused files[^]*orphan\.ts/,
      /Unused exports[^]*nobodyCalls/,
      /Unlisted dependencies[^]*left-pad/,
    ],
  },
};
