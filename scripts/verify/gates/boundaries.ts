import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Gate } from '../gate.ts';
import { run } from '../run.ts';
import { some, sourceFiles } from '../tree.ts';

const FOLDERS = ['apps', 'packages', 'policies', 'bench', 'scripts'];

interface CruiseResult {
  readonly modules: readonly { readonly source: string }[];
  readonly summary: {
    readonly violations: readonly {
      readonly from: string;
      readonly to: string;
      readonly rule: { readonly name: string };
      readonly cycle?: readonly { readonly name: string }[];
    }[];
    readonly ruleSetUsed: {
      readonly forbidden?: readonly { readonly name: string; readonly comment?: string }[];
    };
  };
}

/** dependency-cruiser with the rules of .dependency-cruiser.mjs, and proof that it read every source file. */
export const boundaries: Gate = {
  name: 'boundaries',
  async check(tree) {
    const folders = FOLDERS.filter((folder) => existsSync(join(tree.root, folder)));
    const args = ['--config', '.dependency-cruiser.mjs', '--output-type', 'json', ...folders];
    const { stdout, output } = await run(join(tree.bin, 'depcruise'), args, {
      cwd: tree.root,
      bin: tree.bin,
    });
    if (!stdout.startsWith('{')) return { ok: false, summary: 'dependency-cruiser did not run', output };
    const { modules, summary } = JSON.parse(stdout) as CruiseResult;
    const cruised = new Set(modules.map(({ source }) => source));
    const expected = sourceFiles(tree).filter((file) => folders.includes(file.split('/')[0] ?? ''));
    const unread = expected.filter((file) => !cruised.has(file));
    if (unread.length > 0 || expected.length === 0)
      return { ok: false, summary: `dependency-cruiser read ${cruised.size} files and not ${some(unread)}` };
    if (summary.violations.length === 0) return { ok: true, summary: `${expected.length} files` };
    const comments = new Map(
      summary.ruleSetUsed.forbidden?.map(({ name, comment }) => [name, comment ?? '']),
    );
    const lines = summary.violations.map(({ from, to, rule, cycle }) => {
      const path = cycle === undefined ? to : cycle.map(({ name }) => name).join(' → ');
      return `${rule.name}: ${from} → ${path}\n  ${comments.get(rule.name) ?? ''}`;
    });
    return { ok: false, summary: `${lines.length} imports against the rules`, output: lines.join('\n') };
  },
  selfTest: {
    expected: [
      /no-circular: apps\/gateway\/src\/domain\/type-cycle/,
      /no-circular: apps\/gateway\/src\/domain\/inline-cycle/,
      /no-app-to-app: apps\/gateway\/src\/compose\.ts/,
      /app-knows-domain-only: apps\/gateway\/src\/app/,
      /domain-is-pure: apps\/gateway\/src\/domain/,
      /app-and-domain-know-no-wire: apps\/gateway\/src\/app/,
      /adapters-do-not-meet: apps\/gateway\/src\/rpc/,
      /package-crypto: packages\/crypto/,
      /no-package-to-app: packages\/crypto/,
      /no-relative-across-packages: packages\/crypto/,
      /not-to-unresolvable: apps\/gateway/,
    ],
  },
};
