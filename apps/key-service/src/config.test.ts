import { ConfigError, loadConfig } from '@sallyport/service/config';
import { describe, expect, it } from 'vitest';
import { keyServiceConfig } from './config.ts';

const good = [
  'port: 8446',
  'rootKeyFile: root.key',
  'spoolDirectory: spool',
  'policyAddress: 127.0.0.1:8447',
].join('\n');

describe('configuration', () => {
  it('is read with its defaults', () => {
    const config = loadConfig(keyServiceConfig, { text: good, baseDir: '/srv/key' });
    expect(config).toEqual({
      host: '127.0.0.1',
      port: 8446,
      rootKeyFile: '/srv/key/root.key',
      spoolDirectory: '/srv/key/spool',
      policyAddress: '127.0.0.1:8447',
      leaseMs: 3_600_000,
    });
  });

  it.each([
    ['no root key file', good.replace('rootKeyFile: root.key', ''), 'rootKeyFile'],
    ['a lease of a second', `${good}\nleaseMs: 1s`, 'leaseMs'],
    ['an address without a port', good.replace(':8447', ''), 'policyAddress'],
    ['an unknown key', `${good}\nrootkey: x`, 'rootkey'],
  ])('is refused with %s', (_, text, key) => {
    try {
      loadConfig(keyServiceConfig, { text, baseDir: '/srv/key' });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      expect(error.problems.map((problem) => problem.key)).toEqual([key]);
      return;
    }
    throw new Error('the configuration was accepted');
  });
});
