/** Reads the tree that the gates judge. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Tree } from './gate.ts';
import { run } from './run.ts';

/** @throws {Error} when the folder is no git checkout, or an empty one: a gate over no files would pass on nothing */
export async function readTree(root: string, bin: string): Promise<Tree> {
  const listing = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
  });
  const files = [...new Set(listing.stdout.split('\0'))]
    .filter((file) => file !== '' && statSync(join(root, file), { throwIfNoEntry: false })?.isFile() === true)
    .sort();
  if (listing.code !== 0 || files.length === 0)
    throw new Error(`no files to verify in ${root}: ${listing.output}`);
  return { root, files, bin };
}

const NOT_SOURCE = /^packages\/proto\/src\/gen\/|^scripts\/verify-fixtures\/|(^|\/)dist\//;

/** Files that people write in TypeScript or JavaScript: generated code and the gates' fixtures left out. */
export function sourceFiles(tree: Tree): string[] {
  return tree.files.filter((file) => /\.(ts|mjs|js)$/.test(file) && !NOT_SOURCE.test(file));
}

/** The first few names of a list, for a message. */
export function some(names: readonly string[], limit = 5): string {
  const rest = names.length - limit;
  return `${names.slice(0, limit).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
