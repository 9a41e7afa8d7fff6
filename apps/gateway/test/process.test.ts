/** The configuration of gateway as a process: the sample of its README is accepted, and what is wrong is said where it stands. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, loadConfig } from '@sallyport/service/config';
import { serviceFiles } from '@sallyport/service/testing';
import { expect, test } from 'vitest';
import { gatewayProcessConfig } from '../src/process-config.ts';

const readme = await readFile(join(import.meta.dirname, '..', 'README.md'), 'utf8');
const sample = /^## As a process$[\s\S]*?^```yaml\n([\s\S]*?)^```$/mu.exec(readme)?.[1] ?? '';

test('the sample of the README is accepted with the files that it names', async () => {
  await using files = await serviceFiles('gateway');
  const config = loadConfig(gatewayProcessConfig, { text: sample, baseDir: files.folder });
  expect(config.spoolDirectory).toBe(join(files.folder, 'spool'));
  // Who may reach the channel may not for that reach the metrics.
  expect([config.host, config.httpsHost]).toEqual(['0.0.0.0', '127.0.0.1']);
});

const rows: readonly (readonly [string, string, string])[] = [
  ['certFile: tls/service.pem', 'certFile: tls/none.pem', 'identity.certFile'],
  ['passwordFile: secrets/nats', 'passwordFile: secrets/none', 'nats.passwordFile'],
  ['trustDomain: example.org', 'trustDomain: example.net', 'identity.certFile'],
  ['spoolDirectory: spool', 'spoolDirectory:', 'spoolDirectory'],
  ['publicOrigin: https://gateway', 'publicOrigin: http://gateway', 'modelContext.publicOrigin'],
  [
    'publicOrigin: https://gateway.example.org',
    'publicOrigin: https://gateway.example.org/mcp',
    'modelContext.publicOrigin',
  ],
  ['    search: {', '    Search: {', 'modelContext.servers.Search'],
  [
    '  authHttpAddress: auth-service',
    '  authHttpAddress: https://auth-service',
    'modelContext.authHttpAddress',
  ],
  ...(
    [
      ['issuer: https://gateway.example.org/?tenant=a', 'issuer'],
      ['allowedOrigins: [https://app.example.org/]', 'allowedOrigins'],
      ['allowBearerTokens: perhaps', 'allowBearerTokens'],
      ['maxBody: 1', 'maxBody'],
      ['maxConcurrent: 0', 'maxConcurrent'],
      ['workDirectory:', 'workDirectory'],
      ['allowAnyOrigin: true', 'allowAnyOrigin'],
    ] as const
  ).map(([line, key]) => ['modelContext: #', `modelContext:\n  ${line} #`, `modelContext.${key}`] as const),
  ['certFile: tls/channel.pem', 'certFile: tls/ca.pem', 'channelIdentity.keyFile'],
];
test.each(rows)('%s → %s is refused at its key', async (good, bad, key) => {
  await using files = await serviceFiles('gateway');
  expect(sample).toContain(good);
  try {
    loadConfig(gatewayProcessConfig, {
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
  expect(() => loadConfig(gatewayProcessConfig, { text: sample, baseDir: files.folder })).toThrow(/svc\//u);
});
