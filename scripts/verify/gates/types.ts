import { realpathSync } from 'node:fs';
import { join, relative } from 'node:path';
import { workspaceFolders } from '../../bootstrap/stamp.mjs';
import type { Gate, Tree } from '../gate.ts';
import { run } from '../run.ts';
import { some, sourceFiles } from '../tree.ts';

/** tsc on every package, through turbo, and proof that the packages' tsconfig files leave no TypeScript file out. */
export const types: Gate = {
  name: 'types',
  async check(tree) {
    const args = ['run', 'typecheck', '--continue=always', '--output-logs=errors-only'];
    const { code, output } = await run(join(tree.bin, 'turbo'), args, { cwd: tree.root, bin: tree.bin });
    if (code !== 0) return { ok: false, summary: 'see below; pnpm typecheck shows the same', output };
    const unread = await filesNoProjectReads(tree);
    if (unread.length > 0)
      return { ok: false, summary: `no tsconfig.json reads ${some(unread)}: add them to its "include"` };
    return { ok: true, summary: `${sourceFiles(tree).length} files` };
  },
  selfTest: { expected: [/TS2322|not assignable/, /packages\/crypto|@sallyport\/crypto/] },
};

async function filesNoProjectReads(tree: Tree): Promise<string[]> {
  const root = realpathSync(tree.root);
  const read = new Set<string>();
  for (const folder of workspaceFolders(tree.root).filter((name) => name !== '')) {
    const listing = await run(join(tree.bin, 'tsc'), ['--noEmit', '--listFilesOnly'], {
      cwd: join(tree.root, folder),
      bin: tree.bin,
    });
    for (const line of listing.stdout.split('\n')) read.add(relative(root, line));
  }
  return sourceFiles(tree).filter((file) => file.endsWith('.ts') && !read.has(file));
}
