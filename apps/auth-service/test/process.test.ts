/** The configuration of auth-service as a process: the sample of its README is accepted, and what is wrong is said where it stands. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, loadConfig } from '@sallyport/service/config';
import { serviceFiles } from '@sallyport/service/testing';
import { expect, test } from 'vitest';
import { authServiceProcessConfig } from '../src/config.ts';

const readme = await readFile(join(import.meta.dirname, '..', 'README.md'), 'utf8');
const sample = /^## As a process$[\s\S]*?^```yaml\n([\s\S]*?)^```$/mu.exec(readme)?.[1] ?? '';

test('the sample of the README is accepted with the files that it names', async () => {
  await using files = await serviceFiles('auth-service');
  const config = loadConfig(authServiceProcessConfig, { text: sample, baseDir: files.folder });
  expect(config.spoolDirectory).toBe(join(files.folder, 'spool'));
});

const rows: readonly (readonly [string, string, string])[] = [
  ['certFile: tls/service.pem', 'certFile: tls/none.pem', 'identity.certFile'],
  ['passwordFile: secrets/nats', 'passwordFile: secrets/none', 'nats.passwordFile'],
  ['trustDomain: example.org', 'trustDomain: example.net', 'identity.certFile'],
  ['spoolDirectory: spool', 'spoolDirectory:', 'spoolDirectory'],
  ['anchorsFile: tls/ca.pem', 'anchorsFile: tls/service.key', 'anchorsFile'],
  ['publicOrigin: https://mcp.example.org', '', 'publicOrigin'],
  ['publicOrigin: https://mcp.example.org', 'publicOrigin: http://mcp.example.org', 'publicOrigin'],
  ['https://reports.example.org/callback', 'http://reports.example.org/callback', 'oauth.clients'],
  ['  httpPort: 8449', '  httpPorts: 8449', 'oauth.httpPorts'],
  ['    - files.example.org', '    - https://files.example.org/', 'oauth.allowPrivateMetadataHosts[0]'],
];
test.each(rows)('%s → %s is refused at its key', async (good, bad, key) => {
  await using files = await serviceFiles('auth-service');
  expect(sample).toContain(good);
  try {
    loadConfig(authServiceProcessConfig, {
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
  expect(() => loadConfig(authServiceProcessConfig, { text: sample, baseDir: files.folder })).toThrow(
    /svc\//u,
  );
});
