/**
 * `node build.ts compile` writes dist/; `node build.ts check` fails when dist/ is stale or a source is not in order.
 * Where the pinned `opa` is absent the check rests on digests alone and says so (SALLYPORT_REQUIRE_ALL=1: fails).
 */

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { digestProblems, findOpa, readManifest, toolProblems, writeDist } from './compile.ts';
import type { Opa } from './compile.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));
const devTools = fileURLToPath(new URL('../scripts/dev-tools', import.meta.url));

function check(opa: Opa | undefined): number {
  const problems = digestProblems(folder);
  const pinned = readManifest(folder)?.opaVersion;
  if (opa !== undefined && opa.version === pinned) {
    problems.push(...toolProblems(folder, opa));
  } else {
    const found = opa === undefined ? 'opa is not installed' : `opa ${opa.version} is not ${String(pinned)}`;
    const skipped = `${found}: compile, Rego tests, format and strict check were skipped (run scripts/dev-tools)`;
    if (process.env['SALLYPORT_REQUIRE_ALL'] === '1') problems.push(skipped);
    else console.warn(`policies: ${skipped}`);
  }
  for (const problem of problems) console.error(`policies: ${problem}`);
  if (problems.length > 0)
    console.error('policies: after a change of src/, run `pnpm --filter @sallyport/policies compile`');
  else console.log('policies: dist/policy.wasm fits its sources');
  return problems.length > 0 ? 1 : 0;
}

function compile(opa: Opa | undefined): number {
  if (opa === undefined) {
    console.error('policies: opa is not installed; run scripts/dev-tools');
    return 1;
  }
  const manifest = writeDist(folder, opa);
  console.log(`policies: dist/policy.wasm ${manifest.wasmDigest} by opa ${manifest.opaVersion}`);
  return 0;
}

const command = process.argv[2];
if (command === 'check' || command === 'compile') {
  const toolFolder = execFileSync('bash', [devTools, '--print-path'], { encoding: 'utf8' }).trim();
  const opa = findOpa(toolFolder, process.env['PATH'] ?? '');
  process.exitCode = command === 'check' ? check(opa) : compile(opa);
} else {
  console.error('usage: node build.ts compile | check');
  process.exitCode = 2;
}
