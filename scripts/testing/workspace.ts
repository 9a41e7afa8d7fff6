/** The packages of the workspace and their test files, read from disk. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { workspaceFolders } from '../bootstrap/stamp.mjs';
import type { WorkspacePackage } from './plan.ts';

const NOT_OURS = /(^|\/)(node_modules|dist|verify-fixtures)(\/|$)/;

/** All packages but the root, in the workspace's order. */
export function readWorkspace(root: string): WorkspacePackage[] {
  return workspaceFolders(root)
    .filter((folder) => folder !== '')
    .map((folder) => {
      const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as {
        name: string;
      };
      const files = globSync('**/*.test.ts', {
        cwd: join(root, folder),
        exclude: (path) => NOT_OURS.test(path),
      });
      return { name: manifest.name, folder, testFiles: files.length };
    });
}
