/** What a process refuses to start with, and what it says: everything is wrong on purpose in one way each. */
import { chmod, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { manualClock, systemClock } from '../../src/clock/index.ts';
import { ConfigError, loadConfig, object, type ConfigProblem, type Schema } from '../../src/config/index.ts';
import { createDevelopmentCa, issue } from '../../src/identity/index.ts';
import {
  databaseConfig,
  plaintextBackends,
  processFields,
  readPassword,
  redisConfig,
  serverOf,
  serviceAddress,
  serviceConfig,
  trustRootsFile,
} from '../../src/process/index.ts';
import { serviceFiles, TRUST_DOMAIN, YAML, type ServiceFiles } from './service-files.ts';

const schema = serviceConfig(processFields('key-service'));
const DAY_MS = 24 * 60 * 60_000;

function problemsOf(wanted: Schema<unknown>, files: ServiceFiles, text: string): readonly ConfigProblem[] {
  try {
    loadConfig(wanted, { file: 'key-service.yaml', text, baseDir: files.folder });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

const summary = (problems: readonly ConfigProblem[]) =>
  problems.map(({ where, key, what }) => `${where} ${key}: ${what}`);

test('good files are taken, and their paths are absolute', async () => {
  await using files = await serviceFiles('key-service');
  const config = loadConfig(schema, { text: YAML, baseDir: files.folder });
  expect(config.identity.certFile).toBe(join(files.folder, 'tls/service.pem'));
  expect(config.nats).toMatchObject({ user: 'somebody', servers: ['127.0.0.1:1'] });
  expect(config.log.level).toBe('info');
  expect(plaintextBackends(config)).toEqual([]);
});

type Spoil = (files: ServiceFiles) => Promise<unknown>;

const issued = async (files: ServiceFiles, name: string, days = 90, clock = systemClock(), ca = files.ca) => {
  const leaf = await issue({
    ca,
    clock,
    spiffeId: `spiffe://${TRUST_DOMAIN}/svc/${name}`,
    keyAlgorithm: 'P-256',
    usages: ['server'],
    lifetimeDays: days,
  });
  await files.write('tls/service.pem', leaf.certPem);
  await files.write('tls/service.key', leaf.keyPem);
};

describe('an identity that could not work is refused where it is named', () => {
  const rows: readonly [string, Spoil, RegExp][] = [
    [
      'no certificate',
      (files) => rm(join(files.folder, 'tls/service.pem')),
      /yaml:2 identity\.certFile: names a file that does not exist/,
    ],
    [
      'no key',
      (files) => rm(join(files.folder, 'tls/service.key')),
      /yaml:3 identity\.keyFile: names a file that does not exist/,
    ],
    [
      'no authority',
      (files) => rm(join(files.folder, 'tls/ca.pem')),
      /yaml:4 identity\.caFile: names a file that does not exist/,
    ],
    [
      'noise for a certificate',
      (files) => files.write('tls/service.pem', 'noise'),
      /yaml:2 identity\.certFile: .*without a PEM/,
    ],
    [
      'noise for a key',
      (files) => files.write('tls/service.key', 'canary'),
      /yaml:3 identity\.keyFile: not a PEM private key/,
    ],
    [
      'noise for an authority',
      (files) => files.write('tls/ca.pem', 'noise'),
      /yaml:4 identity\.caFile: .*without PEM/,
    ],
    [
      'a leaf for an authority',
      async (files) =>
        files.write('tls/ca.pem', await readFile(join(files.folder, 'tls/service.pem'), 'utf8')),
      /yaml:4 identity\.caFile: .*no authority/,
    ],
    [
      'a key that others can read',
      (files) => chmod(join(files.folder, 'tls/service.key'), 0o640),
      /yaml:3 identity\.keyFile: .*other users/,
    ],
    [
      'the key of another',
      async (files) => {
        const cert = await readFile(join(files.folder, 'tls/service.pem'), 'utf8');
        await issued(files, 'key-service');
        await files.write('tls/service.pem', cert);
      },
      /yaml:3 identity\.keyFile: the private key does not belong/,
    ],
    [
      'the name of another service',
      (files) => issued(files, 'gateway'),
      /yaml:2 identity\.certFile: names .*svc\/gateway, and this is .*svc\/key-service/,
    ],
    [
      'a certificate that expired',
      (files) => issued(files, 'key-service', 1, manualClock(Date.now() - 3 * DAY_MS)),
      /yaml:2 identity\.certFile: expired at/,
    ],
    [
      'a certificate of tomorrow',
      (files) => issued(files, 'key-service', 1, manualClock(Date.now() + 3 * DAY_MS)),
      /yaml:2 identity\.certFile: is not valid before/,
    ],
    [
      'a certificate of another authority',
      async (files) => {
        const ca = await createDevelopmentCa({ trustDomain: TRUST_DOMAIN, clock: systemClock() });
        await issued(files, 'key-service', 90, systemClock(), ca);
      },
      /yaml:2 identity\.certFile: was not issued by an authority of caFile/,
    ],
    [
      'a chain that ends elsewhere',
      async (files) => {
        const ca = await createDevelopmentCa({ trustDomain: TRUST_DOMAIN, clock: systemClock() });
        await issued(files, 'key-service', 90, systemClock(), ca);
        const leaf = await readFile(join(files.folder, 'tls/service.pem'), 'utf8');
        await files.write('tls/service.pem', leaf + ca.certPem);
      },
      /yaml:2 identity\.certFile: was not issued by an authority of caFile/,
    ],
  ];
  test.each(rows)('%s', async (_, spoil, says) => {
    await using files = await serviceFiles('key-service');
    await spoil(files);
    const problems = problemsOf(schema, files, YAML);
    expect(summary(problems).join('\n')).toMatch(says);
    expect(JSON.stringify(problems)).not.toContain('canary');
  });

  test('another trust domain', async () => {
    await using files = await serviceFiles('key-service');
    const text = YAML.replace(TRUST_DOMAIN, 'example.net');
    expect(summary(problemsOf(schema, files, text)).join()).toMatch(
      /yaml:2 identity\.certFile: names .*example\.org/,
    );
  });
});

describe('backends', () => {
  const passwords: readonly [string, string, RegExp][] = [
    ['empty', '', /is empty/],
    ['an empty line', '\n', /is empty/],
    ['of two lines', 'canary\ncanary\n', /more than one line/],
    ['too long', 'c'.repeat(1025), /more than one line of at most 1 KiB/],
  ];
  test.each(passwords)('a password file that is %s', async (_, content, says) => {
    await using files = await serviceFiles('key-service');
    await files.write('secrets/nats', content);
    const problems = summary(problemsOf(schema, files, YAML)).join();
    expect(problems).toMatch(/yaml:9 nats\.passwordFile/);
    expect(problems).toMatch(says);
    expect(problems).not.toContain('canary');
  });

  test('a password is its line, whatever ends it', async () => {
    await using files = await serviceFiles('key-service');
    for (const end of ['', '\n', '\r\n'])
      expect(readPassword(await files.write('p', `a b${end}`))).toBe('a b');
  });

  test.each(['127.0.0.1:65536', '127.0.0.1:0', 'user@nats:4222'])('a server at %s', async (server) => {
    await using files = await serviceFiles('key-service');
    const problems = problemsOf(schema, files, YAML.replace('127.0.0.1:1', server));
    expect(summary(problems).join()).toContain('nats.servers');
  });

  test('plaintext has to be asked for', async () => {
    await using files = await serviceFiles('key-service');
    const text = YAML.replace('  caFile: tls/backends.pem\n', '');
    expect(summary(problemsOf(schema, files, text))).toEqual([
      expect.stringMatching(/yaml:\d+ nats\.caFile: is missing, and without it the connection is plaintext/),
    ]);
    const asked = loadConfig(schema, { text: `${text}allowInsecureBackends: true\n`, baseDir: files.folder });
    expect(plaintextBackends(asked)).toEqual(['nats']);
  });

  const redis = object({ redis: redisConfig() });
  const kinds: readonly [string, string, RegExp | undefined][] = [
    ['one server', 'kind: standalone\n  nodes: ["h:1"]', undefined],
    ['several servers', 'kind: standalone\n  nodes: ["h:1", "h:2"]', /redis\.nodes: names several/],
    ['sentinels without a name', 'kind: sentinel\n  nodes: ["h:1", "h:2"]', /redis\.name: is missing/],
    ['sentinels', 'kind: sentinel\n  name: main\n  nodes: ["h:1", "[::1]:2"]', undefined],
    ['a cluster', 'kind: cluster\n  nodes: ["h:1", "h:2"]', undefined],
    ['nobody', 'kind: cluster\n  nodes: []', /redis\.nodes/],
    ['an address without a port', 'kind: cluster\n  nodes: ["h"]', /redis\.nodes\[0\]/],
    ['another kind', 'kind: pair\n  nodes: ["h:1"]', /redis\.kind/],
  ];
  test.each(kinds)('redis: %s', async (_, lines, says) => {
    await using files = await serviceFiles('key-service');
    const text = `redis:\n  ${lines}\n  username: u\n  passwordFile: secrets/nats\n  caFile: tls/ca.pem\n`;
    const problems = summary(problemsOf(redis, files, text)).join();
    if (says === undefined) expect(problems).toBe('');
    else expect(problems).toMatch(says);
  });

  test('all problems come at once, each with its line', async () => {
    await using files = await serviceFiles('key-service');
    const both = object({
      ...processFields('key-service'),
      database: databaseConfig(),
      anchors: trustRootsFile(),
    });
    const text = `${YAML.replace('somebody', '""').replace('tls/service.pem', 'none.pem')}database:\n  host: h\n  user: u\n  port: 99999\n  passwordFile: none\nanchors: tls/service.pem\n`;
    expect(
      summary(problemsOf(both, files, text)).map((line) => line.split(':').slice(0, 2).join(':')),
    ).toEqual([
      'key-service.yaml:2 identity.certFile',
      'key-service.yaml:8 nats.user',
      'key-service.yaml:14 database.port',
      'key-service.yaml:15 database.passwordFile',
      'key-service.yaml:16 anchors',
    ]);
  });
});

describe('addresses', () => {
  const address = object({ at: serviceAddress('key-service') });
  const rows: readonly [string, boolean][] = [
    ['localhost:1', true],
    ['127.0.0.1:8446,127.0.0.1:9000', true],
    ['[::1]:8446', true],
    ['[::1]:8446,[::2]:1', true],
    ['localhost', false],
    ['localhost:1,', false],
    [',localhost:1', false],
    ['https://localhost:1', false],
    ['a b:1', false],
    ['a:1 ,b:2', false],
    ['a:65535', true],
    ['a:65536', false],
    ['a:0', false],
    ['user@a:1', false],
  ];
  test.each(rows)('%s', async (text, isGood) => {
    await using files = await serviceFiles('key-service');
    expect(problemsOf(address, files, `at: "${text}"`)).toHaveLength(isGood ? 0 : 1);
  });

  test('host and port of a server', () => {
    expect(serverOf('h:1')).toEqual({ host: 'h', port: 1 });
    expect(serverOf('[::1]:65535')).toEqual({ host: '::1', port: 65_535 });
  });
});

test('the environment gives what the file does not', async () => {
  await using files = await serviceFiles('key-service');
  const config = loadConfig(schema, {
    text: YAML,
    baseDir: files.folder,
    env: { SALLYPORT_LOG_LEVEL: 'error', SALLYPORT_NATS_USER: 'other' },
  });
  expect([config.log.level, config.nats.user]).toEqual(['error', 'other']);
});
