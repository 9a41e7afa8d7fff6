import { ConfigError, loadConfig } from '@sallyport/service/config';
import { expect, test } from 'vitest';
import { auditServiceConfig } from './config.ts';

const whole = `
port: 8448
spoolDirectory: spool
keyAddress: 127.0.0.1:8446
policyAddress: 127.0.0.1:8447
logDirectory: log
origin: example.org/audit
`;

const load = (text: string) => loadConfig(auditServiceConfig, { text, file: '/etc/sallyport/audit.yaml' });

test('a whole file', () => {
  expect(load(whole)).toEqual({
    host: '127.0.0.1',
    port: 8448,
    spoolDirectory: '/etc/sallyport/spool',
    keyAddress: '127.0.0.1:8446',
    policyAddress: '127.0.0.1:8447',
    logDirectory: '/etc/sallyport/log',
    origin: 'example.org/audit',
    checkpointIntervalMs: 100,
  });
});

test.each([
  ['no port', whole.replace('port: 8448', ''), 'port'],
  ['no spool', whole.replace('spoolDirectory: spool', ''), 'spoolDirectory'],
  ['no log folder', whole.replace('logDirectory: log', ''), 'logDirectory'],
  ['no key-service', whole.replace('keyAddress: 127.0.0.1:8446', ''), 'keyAddress'],
  ['no policy-service', whole.replace('policyAddress: 127.0.0.1:8447', ''), 'policyAddress'],
  ['an address without port', whole.replace('127.0.0.1:8446', 'key-service'), 'keyAddress'],
  ['no origin', whole.replace('origin: example.org/audit', ''), 'origin'],
  ['an origin with a space', whole.replace('example.org/audit', 'example.org audit'), 'origin'],
  ['an origin with a plus sign', whole.replace('example.org/audit', 'a+b'), 'origin'],
  ['checkpoints without pause', `${whole}checkpointIntervalMs: 0\n`, 'checkpointIntervalMs'],
  ['an unknown key', `${whole}skipChecks: true\n`, 'skipChecks'],
])('%s is a problem, with its key', (_what, text, key) => {
  try {
    load(text);
    expect.unreachable();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.problems.map((problem) => problem.key)).toEqual([key]);
  }
});
