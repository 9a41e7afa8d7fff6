/**
 * `pnpm verify [gate...] [--allow-dirty] [--self-test]`: the static gates, each with its verdict and time.
 * Exit code 0: all good; 1: a gate failed; 2: the words make no sense.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Gate, Outcome, Tree } from './verify/gate.ts';
import { CLEAN_TREE, gates } from './verify/gates/index.ts';
import { selfTest } from './verify/self-test.ts';
import { readTree } from './verify/tree.ts';

const USAGE = `pnpm verify [gate...] [--allow-dirty] [--self-test]
  --allow-dirty   leave out ${CLEAN_TREE}, for use while working
  --self-test     show that each gate fails on a tree that it should refuse
  gates: ${gates.map(({ name }) => name).join(', ')}
`;

const root = join(import.meta.dirname, '..');
const bin = join(root, 'node_modules', '.bin');

process.exitCode = await main();

async function main(): Promise<number> {
  const words = readWords();
  if (words === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const tree = await readTree(root, bin);
  const judge = words.selfTest ? judgeGate : judgeTree;
  const failed: string[] = [];
  for (const gate of words.gates) {
    const started = performance.now();
    const { ok, summary, output } = await judge(gate, tree);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    process.stdout.write(
      `${ok ? 'ok    ' : 'FAILED'} ${gate.name.padEnd(15)} ${seconds.padStart(6)} s  ${summary}\n`,
    );
    if (ok) continue;
    failed.push(gate.name);
    if (output !== undefined) process.stdout.write(`${output.trimEnd().replace(/^/gm, '       | ')}\n`);
  }
  const what = words.selfTest ? 'gates tested' : 'gates';
  const verdict = failed.length === 0 ? 'all good' : `FAILED: ${failed.join(', ')}`;
  process.stdout.write(`verify: ${words.gates.length} ${what}, ${verdict}\n`);
  return failed.length === 0 ? 0 : 1;
}

function readWords(): { gates: readonly Gate[]; selfTest: boolean } | undefined {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        'allow-dirty': { type: 'boolean', default: false },
        'self-test': { type: 'boolean', default: false },
      },
    });
    const names = gates.map(({ name }) => name);
    if (positionals.some((name) => !names.includes(name))) return undefined;
    const chosen = gates.filter(({ name }) =>
      positionals.length > 0
        ? positionals.includes(name)
        : values['self-test'] || !values['allow-dirty'] || name !== CLEAN_TREE,
    );
    return { gates: chosen, selfTest: values['self-test'] };
  } catch {
    return undefined; // an option that parseArgs does not know
  }
}

/** A gate that throws has failed, and the others still run. */
async function judgeTree(gate: Gate, tree: Tree): Promise<Outcome> {
  try {
    return await gate.check(tree);
  } catch (error) {
    return { ok: false, summary: 'the gate itself broke', output: String(error) };
  }
}

async function judgeGate(gate: Gate, tree: Tree): Promise<Outcome> {
  try {
    const problem = await selfTest(gate, tree);
    if (problem === undefined) return { ok: true, summary: 'passes the good tree, fails on the bad one' };
    return { ok: false, summary: 'does not do its work', output: problem };
  } catch (error) {
    return { ok: false, summary: 'the self-test broke', output: String(error) };
  }
}
