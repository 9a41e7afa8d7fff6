/**
 * `pnpm verify --self-test`: shows that no gate is asleep. Each gate runs on a small good workspace, where it must pass,
 * and again with its fixture laid over, where it must fail and name every fault of the fixture.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { workspaceFolders } from '../bootstrap/stamp.mjs';
import type { Gate, Outcome, Tree } from './gate.ts';
import { run } from './run.ts';
import { readTree } from './tree.ts';

/** The settings under test are this checkout's own. */
const SETTINGS = [
  '.dependency-cruiser.mjs',
  '.gitignore',
  '.oxlintrc.json',
  '.prettierignore',
  '.prettierrc.json',
  'buf.gen.yaml',
  'buf.yaml',
  'knip.json',
  'tsconfig.base.json',
  'turbo.json',
];

/** @returns what is wrong with the gate, undefined when it works */
export async function selfTest(gate: Gate, checkout: Tree): Promise<string | undefined> {
  const fixtures = join(checkout.root, 'scripts', 'verify-fixtures');
  const fixture = join(fixtures, gate.name);
  if (!existsSync(fixture)) return `scripts/verify-fixtures/${gate.name} is missing`;
  const root = mkdtempSync(join(tmpdir(), `sallyport-verify-${gate.name}-`));
  try {
    await layGoodTree(root, join(fixtures, 'good'), checkout, gate.selfTest.needs ?? []);
    const good = await gate.check(await readTree(root, checkout.bin));
    if (!good.ok) return `fails on the good tree: ${text(good)}`;
    cpSync(fixture, root, { recursive: true });
    if (gate.selfTest.uncommitted !== true) await commit(root);
    linkModules(root, checkout.root);
    const bad = await gate.check(await readTree(root, checkout.bin));
    if (bad.ok) return `passes on its bad fixture: ${bad.summary}`;
    const silent = gate.selfTest.expected.filter((pattern) => !pattern.test(text(bad)));
    if (silent.length > 0) return `does not report ${silent.map(String).join(', ')}, only: ${text(bad)}`;
    return undefined;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const text = ({ summary, output = '' }: Outcome): string => `${summary}\n${output}`;

async function layGoodTree(
  root: string,
  good: string,
  checkout: Tree,
  needs: readonly string[],
): Promise<void> {
  cpSync(good, root, { recursive: true });
  for (const file of [...SETTINGS, 'LICENSE']) cpSync(join(checkout.root, file), join(root, file));
  for (const file of checkout.files)
    if (needs.some((need) => file === need || file.startsWith(`${need}/`))) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      cpSync(join(checkout.root, file), join(root, file));
    }
  linkModules(root, checkout.root);
  await git(root, 'init', '--quiet', '--initial-branch=main');
  await commit(root);
}

/**
 * Lends the tree this checkout's packages, link by link into folders of its own: a tool that should ever tidy up a
 * node_modules there removes links, and never the real thing.
 */
function linkModules(root: string, checkout: string): void {
  for (const folder of ['', 'policies', ...workspaceFolders(root)]) {
    const source = join(checkout, folder, 'node_modules');
    if (!existsSync(source) || !existsSync(join(root, folder))) continue;
    const entries = readdirSync(source).flatMap((name) =>
      name.startsWith('@') ? readdirSync(join(source, name)).map((inner) => join(name, inner)) : [name],
    );
    for (const entry of entries.filter((name) => !name.startsWith('.'))) {
      const link = join(root, folder, 'node_modules', entry);
      mkdirSync(dirname(link), { recursive: true });
      if (!existsSync(link)) symlinkSync(realpathSync(join(source, entry)), link, 'dir');
    }
  }
}

async function commit(root: string): Promise<void> {
  await git(root, 'add', '--all');
  const identity = [
    '-c',
    'user.name=verify',
    '-c',
    'user.email=verify@localhost',
    '-c',
    'commit.gpgsign=false',
  ];
  await git(root, ...identity, 'commit', '--quiet', '--allow-empty', '--no-verify', '--message', 'tree');
}

async function git(root: string, ...args: readonly string[]): Promise<void> {
  const { code, output } = await run('git', args, { cwd: root });
  if (code !== 0) throw new Error(`git ${args.join(' ')}: ${output}`);
}
