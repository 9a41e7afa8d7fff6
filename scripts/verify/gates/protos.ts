import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Gate, Tree } from '../gate.ts';
import { outcomeOf } from '../gate.ts';
import { run } from '../run.ts';

const GENERATED = 'packages/proto/src/gen';
const BASELINE = 'packages/proto/baseline.binpb';

const protoFiles = ({ files }: Tree): string[] =>
  files.filter((file) => /^packages\/proto\/proto\/.*\.proto$/.test(file));

/** buf lint, STANDARD rules. */
export const protoLint: Gate = {
  name: 'proto-lint',
  async check(tree) {
    const count = protoFiles(tree).length;
    const { code, output } = await run(join(tree.bin, 'buf'), ['lint'], { cwd: tree.root, bin: tree.bin });
    if (code !== 0 || count === 0) return { ok: false, summary: `buf lint, ${count} files`, output };
    return { ok: true, summary: `${count} files` };
  },
  selfTest: { expected: [/Field name "badlyNamed" should be lower_snake_case/] },
};

/** buf breaking against the committed baseline: an older peer still understands us. */
export const protoBreaking: Gate = {
  name: 'proto-breaking',
  async check(tree) {
    // Against the branch one stands on it would compare the tree with itself, so a file of the last release it is.
    if (!tree.files.includes(BASELINE)) return { ok: false, summary: `${BASELINE} is missing` };
    const { code, output } = await run(join(tree.bin, 'buf'), ['breaking', '--against', BASELINE], {
      cwd: tree.root,
      bin: tree.bin,
    });
    if (code !== 0)
      return {
        ok: false,
        summary: 'a change that older peers do not understand: add fields, keep the old',
        output,
      };
    return { ok: true, summary: `compatible with ${BASELINE}` };
  },
  selfTest: { expected: [/changed type from "string" to "int32"/] },
};

/** The committed generated code is what buf generates from the committed protos. */
export const generated: Gate = {
  name: 'generated',
  async check(tree) {
    const out = mkdtempSync(join(tmpdir(), 'sallyport-generate-'));
    try {
      const { code, output } = await run(join(tree.bin, 'buf'), ['generate', '--output', out], {
        cwd: tree.root,
        bin: tree.bin,
      });
      if (code !== 0) return { ok: false, summary: 'buf generate failed', output };
      const fresh = filesBelow(join(out, GENERATED));
      const committed = filesBelow(join(tree.root, GENERATED));
      if (fresh.length === 0) return { ok: false, summary: 'buf generated nothing', output };
      const problems = [...new Set([...fresh, ...committed])].flatMap((file) => {
        if (!committed.includes(file)) return [`${GENERATED}/${file} is missing`];
        if (!fresh.includes(file)) return [`${GENERATED}/${file} comes from no proto any more`];
        const same = readFileSync(join(out, GENERATED, file)).equals(
          readFileSync(join(tree.root, GENERATED, file)),
        );
        return same ? [] : [`${GENERATED}/${file} differs from what its proto gives`];
      });
      return outcomeOf(problems, `${fresh.length} files`, 'run pnpm generate and commit the result');
    } finally {
      rmSync(out, { recursive: true, force: true });
    }
  },
  selfTest: { expected: [/sample_pb\.ts differs/, /stale_pb\.ts comes from no proto any more/] },
};

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}
