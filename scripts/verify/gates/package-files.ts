import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { workspaceFolders } from '../../bootstrap/stamp.mjs';
import { outcomeOf, type Gate } from '../gate.ts';

/** What turbo runs; it passes over a package without the script in silence. */
const SCRIPTS: Readonly<Record<string, string>> = { typecheck: 'tsc --noEmit', test: 'vitest run' };

interface Manifest {
  readonly license?: string;
  readonly private?: boolean;
  readonly scripts?: Readonly<Record<string, string>>;
}

/** Every package has a README, the licence, a tsconfig on the common base, and the scripts that turbo looks for. */
export const packageFiles: Gate = {
  name: 'package-files',
  async check({ root, files }) {
    const folders = workspaceFolders(root).filter((folder) => folder !== '');
    const problems = files.includes('LICENSE') ? [] : ['LICENSE is missing'];
    for (const folder of folders) {
      const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest;
      if (manifest.license !== 'Apache-2.0')
        problems.push(`${folder}/package.json: "license" is not Apache-2.0`);
      for (const [name, command] of Object.entries(SCRIPTS))
        if (manifest.scripts?.[name] !== command)
          problems.push(`${folder}/package.json: script "${name}" is not "${command}"`);
      if (!files.includes(`${folder}/README.md`)) problems.push(`${folder}/README.md is missing`);
      const config = files.includes(`${folder}/tsconfig.json`)
        ? readFileSync(join(root, folder, 'tsconfig.json'), 'utf8')
        : '';
      if (!/"extends": "(\.\.\/)+tsconfig\.base\.json"/.test(config))
        problems.push(`${folder}/tsconfig.json does not extend tsconfig.base.json`);
    }
    if (folders.length === 0) problems.push('pnpm-workspace.yaml names no package');
    return outcomeOf(problems, `${folders.length} packages`, 'each package carries these files');
  },
  selfTest: {
    expected: [
      /packages\/bare\/README\.md is missing/,
      /packages\/bare\/package\.json: "license"/,
      /packages\/bare\/package\.json: script "test"/,
      /packages\/bare\/tsconfig\.json does not extend/,
    ],
  },
};
