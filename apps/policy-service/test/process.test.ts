/** The configuration of policy-service as a process: the sample of its README is accepted, and what is wrong is said where it stands. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, loadConfig } from '@sallyport/service/config';
import { serviceFiles } from '@sallyport/service/testing';
import { expect, test } from 'vitest';
import { policyServiceProcessConfig } from '../src/config.ts';

const readme = await readFile(join(import.meta.dirname, '..', 'README.md'), 'utf8');
const sample = /^## As a process$[\s\S]*?^```yaml\n([\s\S]*?)^```$/mu.exec(readme)?.[1] ?? '';

test('the sample of the README is accepted with the files that it names', async () => {
  await using files = await serviceFiles('policy-service');
  const config = loadConfig(policyServiceProcessConfig, { text: sample, baseDir: files.folder });
  expect(config.spoolDirectory).toBe(join(files.folder, 'spool'));
});

const rows: readonly (readonly [string, string, string])[] = [
  ['certFile: tls/service.pem', 'certFile: tls/none.pem', 'identity.certFile'],
  ['passwordFile: secrets/nats', 'passwordFile: secrets/none', 'nats.passwordFile'],
  ['trustDomain: example.org', 'trustDomain: example.net', 'identity.certFile'],
  ['spoolDirectory: spool', 'spoolDirectory:', 'spoolDirectory'],
  ['role: admin', 'rule: admin', 'builtIn[0].role'],
];
test.each(rows)('%s → %s is refused at its key', async (good, bad, key) => {
  await using files = await serviceFiles('policy-service');
  expect(sample).toContain(good);
  try {
    loadConfig(policyServiceProcessConfig, {
      file: 'sample.yaml',
      text: sample.replace(good, bad),
      baseDir: files.folder,
    });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.problems.map((problem) => problem.key)).toContain(key);
    for (const { where } of error.problems) expect(where).toMatch(/^sample\.yaml:\d+$/u);
    return;
  }
  throw new Error('it was accepted');
});

test('as a certificate of another service nobody gets in', async () => {
  await using files = await serviceFiles('audit-service');
  expect(() => loadConfig(policyServiceProcessConfig, { text: sample, baseDir: files.folder })).toThrow(
    /svc\//u,
  );
});
