import { ConfigError, loadConfig } from '@sallyport/service/config';
import { expect, test } from 'vitest';
import { policyServiceConfig } from './config.ts';

const whole = `
port: 8447
spoolDirectory: spool
keyAddress: 127.0.0.1:8446
builtIn:
  - { principal: 'user:admin', role: admin }
`;

const load = (text: string) => loadConfig(policyServiceConfig, { text, file: '/etc/sallyport/policy.yaml' });

test('a whole file', () => {
  expect(load(whole)).toEqual({
    host: '127.0.0.1',
    port: 8447,
    spoolDirectory: '/etc/sallyport/spool',
    keyAddress: '127.0.0.1:8446',
    builtIn: [{ principal: 'user:admin', role: 'admin' }],
    toolPinning: 'first-use',
  });
});

test('a file without initial bindings has none', () => {
  expect(load(whole.slice(0, whole.indexOf('builtIn'))).builtIn).toEqual([]);
});

test.each([
  ['no port', whole.replace('port: 8447', ''), 'port'],
  ['no spool', whole.replace('spoolDirectory: spool', ''), 'spoolDirectory'],
  ['no key-service', whole.replace('keyAddress: 127.0.0.1:8446', ''), 'keyAddress'],
  ['an address without port', whole.replace('127.0.0.1:8446', 'key-service'), 'keyAddress'],
  ['a URL for an address', whole.replace('127.0.0.1:8446', 'https://x/:1'), 'keyAddress'],
  ['a principal of no kind', whole.replace('user:admin', 'admin'), 'builtIn[0].principal'],
  ['a role that cannot be', whole.replace('role: admin', 'role: Admin'), 'builtIn[0].role'],
  ['a pinning that there is not', `${whole}toolPinning: never\n`, 'toolPinning'],
  ['an unknown key', `${whole}allowAll: true\n`, 'allowAll'],
])('%s is a problem, with its key', (_what, text, key) => {
  try {
    load(text);
    expect.unreachable();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.problems.map((problem) => problem.key)).toEqual([key]);
  }
});
