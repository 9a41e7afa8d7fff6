// Some tools succeed on no files at all (dependency-cruiser did, with a TypeScript it does not know). The gates count.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Gate, Tree } from '../gate.ts';
import { boundaries } from './boundaries.ts';
import { lint } from './lint.ts';
import { generated, protoLint } from './protos.ts';
import { types } from './types.ts';

let root: string;
let tree: Tree;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sallyport-gates-'));
  tree = { root, bin: root, files: ['packages/crypto/src/index.ts'] };
  writeFileSync(join(root, 'pnpm-workspace.yaml'), 'packages:\n  - bench\n');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A tool that says this and succeeds. */
function blindTool(name: string, output: string): void {
  writeFileSync(join(root, name), `#!/bin/sh\necho '${output}'\n`);
  chmodSync(join(root, name), 0o755);
}

const cases: readonly [Gate, string, string, RegExp][] = [
  [lint, 'oxlint', 'Finished in 1ms on 0 files with 150 rules using 2 threads.', /read 0 files of 1/],
  [lint, 'oxlint', '', /read 0 files of 1/],
  [
    boundaries,
    'depcruise',
    '{"modules":[],"summary":{"violations":[],"ruleSetUsed":{}}}',
    /not packages|read 0 files/,
  ],
  [
    types,
    'turbo',
    'Tasks: 0 successful, 0 total',
    /no tsconfig\.json reads packages\/crypto\/src\/index\.ts/,
  ],
  [protoLint, 'buf', '', /0 files/],
  [generated, 'buf', '', /generated nothing/],
];
for (const [gate, tool, output, summary] of cases)
  test(`${gate.name} fails when ${tool} reads nothing and says "${output.slice(0, 20)}"`, async () => {
    blindTool(tool, output);
    const outcome = await gate.check(tree);
    expect(outcome.ok).toBe(false);
    expect(outcome.summary).toMatch(summary);
  });
