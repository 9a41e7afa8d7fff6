import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  compileWasm,
  digestProblems,
  findOpa,
  nativeCapabilities,
  readManifest,
  toolProblems,
} from '../compile.ts';
import { builtInRoles, readPolicyWasm } from '../index.ts';

const original = fileURLToPath(new URL('..', import.meta.url));
const devTools = fileURLToPath(new URL('../../scripts/dev-tools', import.meta.url));
const toolFolder = execFileSync('bash', [devTools, '--print-path'], { encoding: 'utf8' }).trim();
const found = findOpa(toolFolder, process.env['PATH'] ?? '');
const opa = found?.version === readManifest(original)?.opaVersion ? found : undefined;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-policies-'));
  for (const part of ['src', 'dist']) cpSync(join(original, part), join(folder, part), { recursive: true });
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('by digests alone, opa or not', () => {
  test('the committed module is fresh', () => {
    expect(digestProblems(original)).toEqual([]);
  });

  const stale: Record<string, () => void> = {
    'a source changed': () => appendFileSync(join(folder, 'src/roles.rego'), '\n'),
    'a source was added': () => writeFileSync(join(folder, 'src/more.rego'), 'package sallyport\n'),
    'a source was removed': () => rmSync(join(folder, 'src/roles.rego')),
    'the module changed': () => appendFileSync(join(folder, 'dist/policy.wasm'), 'x'),
    'the module is missing': () => rmSync(join(folder, 'dist/policy.wasm')),
    'the manifest is missing': () => rmSync(join(folder, 'dist/manifest.json')),
    'the manifest is damaged': () => writeFileSync(join(folder, 'dist/manifest.json'), '{"opaVersion":1}'),
    'the manifest names another opa': () => {
      const file = join(folder, 'dist/manifest.json');
      writeFileSync(
        file,
        readFileSync(file, 'utf8').replace(/"opaVersion": "[^"]+"/, '"opaVersion": "1.0.0"'),
      );
    },
  };
  test.each(Object.entries(stale))('stale when %s', (_name, damage) => {
    expect(digestProblems(folder)).toEqual([]);
    damage();
    expect(digestProblems(folder)).not.toEqual([]);
  });

  test('a change of the Rego tests alone leaves the module fresh', () => {
    appendFileSync(join(folder, 'src/decision_test.rego'), '\n');
    expect(digestProblems(folder)).toEqual([]);
  });

  test('no opa is found where there is none', () => {
    expect(findOpa(join(folder, 'nothing'), folder)).toBeUndefined();
  });
});

describe.skipIf(opa === undefined)('with opa', () => {
  const tool = opa ?? { path: '', version: '' };

  test('the committed module is what the sources compile to, byte for byte', () => {
    expect(toolProblems(original, tool)).toEqual([]);
  });

  const bad: Record<string, { file: string; text: string; says: string }> = {
    'a failing Rego test': {
      file: 'src/bad_test.rego',
      text: 'package bad_test\n\ntest_bad if 1 == 2\n',
      says: 'opa test',
    },
    'a source out of format': { file: 'src/bad_test.rego', text: 'package   bad_test\n', says: 'opa fmt' },
    'an unused variable': {
      file: 'src/bad_test.rego',
      text: 'package bad_test\n\nf(x) if {\n\ty := x\n}\n',
      says: 'opa check',
    },
    'another meaning': {
      file: 'src/bad.rego',
      text: 'package sallyport\n\neffective_roles contains "root"\n',
      says: 'differs from',
    },
  };
  test.each(Object.entries(bad))('%s is a problem', (_name, { file, text, says }) => {
    writeFileSync(join(folder, file), text);
    expect(toolProblems(folder, tool).join('\n')).toContain(says);
  });

  test.each([
    'sprintf("%d", [1])',
    'yaml.marshal({})',
    'io.jwt.decode("x")',
    'time.now_ns()',
    'http.send({})',
  ])('a builtin that the module would have to call out for fails the build: %s', (call) => {
    writeFileSync(join(folder, 'src/bad.rego'), `package sallyport\n\neffective_roles contains ${call}\n`);
    expect(() => compileWasm(folder, tool)).toThrow(/undefined function/);
  });
});

test('capabilities leave out what the SDK would run in JavaScript and keep what the policy needs', () => {
  const { builtins } = JSON.parse(nativeCapabilities()) as { builtins: { name: string }[] };
  const names = builtins.map((builtin) => builtin.name);
  expect(names).not.toContain('sprintf');
  expect(names).toContain('graph.reachable');
});

test('the built-in roles inherit only from roles that exist, and the module is WebAssembly', async () => {
  const names = Object.keys(builtInRoles);
  expect(names.toSorted()).toEqual([
    'admin',
    'auditor',
    'context-user',
    'guest',
    'observer',
    'operator',
    'sender',
  ]);
  for (const role of Object.values(builtInRoles)) {
    for (const inherited of role.inherits) expect(names).toContain(inherited);
  }
  expect([...(await readPolicyWasm()).subarray(0, 4)]).toEqual([0x00, 0x61, 0x73, 0x6d]);
});
