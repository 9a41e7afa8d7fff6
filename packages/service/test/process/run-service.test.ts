/** A service's process from its command line to its exit code, with a host that is a list. */
import { X509Certificate } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { request } from 'node:https';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { unavailable } from '../../src/errors/index.ts';
import { port, type Infer, type object } from '../../src/config/index.ts';
import {
  EXIT,
  probesConfig,
  processFields,
  runService,
  serviceConfig,
  type HostProcess,
  type ProcessReport,
  type ServiceDefinition,
} from '../../src/process/index.ts';
import type { ComposedService } from '../../src/runtime/index.ts';
import { serviceFiles, YAML, type ServiceFiles } from './service-files.ts';

const fields = { ...processFields('key-service'), probes: probesConfig, port: port({ allowZero: true }) };
const schema = serviceConfig(fields);
type Config = Infer<ReturnType<typeof object<typeof fields>>>;

class FakeHost extends EventEmitter {
  readonly exits: number[] = [];
  readonly reports: ProcessReport[] = [];
  out = '';
  err = '';
  readonly #exited = Promise.withResolvers<number>();
  readonly host: HostProcess;

  constructor(args: readonly string[], options: { readonly isChild?: boolean } = {}) {
    super();
    const send = (message: ProcessReport): boolean => this.reports.push(message) > 0;
    this.host = {
      argv: ['node', 'main.ts', ...args],
      env: {},
      stdout: { write: (text: string) => (this.out += text) },
      stderr: { write: (text: string) => (this.err += text), on: () => undefined },
      on: (event, listener) => this.on(event, listener as (...given: unknown[]) => void),
      exit: (code) => {
        this.exits.push(code);
        this.#exited.resolve(code);
      },
      ...(options.isChild === true ? { send } : {}),
    };
  }

  exited(): Promise<number> {
    return Promise.race([
      this.#exited.promise,
      delay(10_000, undefined, { ref: false }).then(() => Promise.reject(new Error(`no exit: ${this.err}`))),
    ]);
  }

  async reported(): Promise<ProcessReport> {
    for (let waited = 0; this.reports.length === 0 && waited < 10_000; waited += 10) await delay(10);
    const [first] = this.reports;
    if (first === undefined) throw new Error(`nothing reported: ${this.err}`);
    return first;
  }
}

const service = (onDispose: () => Promise<void> = async () => undefined): ComposedService => ({
  name: 'key-service',
  port: 4711,
  readiness: { store: async () => undefined },
  [Symbol.asyncDispose]: onDispose,
});

type Compose = ServiceDefinition<Config>['compose'];

const definition = (compose: Compose = async () => service()): ServiceDefinition<Config> => ({
  name: 'key-service',
  summary: 'a service of this test',
  schema,
  probes: ({ probes }) => probes,
  compose,
});

const OWN = 'probes:\n  port: 0\nport: 0\n';

async function configured(files: ServiceFiles, text = `${YAML}${OWN}`): Promise<string> {
  return files.write('config.yaml', text);
}

async function probe(
  files: ServiceFiles,
  probesPort: number,
  path: string,
): Promise<{ status: number; body: string }> {
  const ca = await readFile(join(files.folder, 'tls/ca.pem'), 'utf8');
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port: probesPort, path, ca, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    })
      .on('error', reject)
      .end();
  });
}

async function readyz(
  files: ServiceFiles,
  probesPort: number,
): Promise<{ status: number; checks: string[] }> {
  const { status, body } = await probe(files, probesPort, '/readyz');
  const { checks } = JSON.parse(body) as { checks: { name: string; ok: boolean; problem?: string }[] };
  const open = checks.filter(({ ok }) => !ok).map(({ name, problem }) => `${name}: ${problem ?? ''}`);
  return { status, checks: open };
}

describe('without starting', () => {
  test('--help says how, and where more is', async () => {
    const fake = new FakeHost(['--help']);
    await runService(definition(), fake.host);
    expect(fake.exits).toEqual([EXIT.done]);
    expect(fake.out).toMatch(/--check-config[\s\S]*apps\/key-service\/README\.md/);
  });

  test.each([['--confg', 'x'], ['config.yaml'], ['--config']])(
    'a wrong word (%s) is usage',
    async (...args) => {
      const fake = new FakeHost(args);
      await runService(definition(), fake.host);
      expect([fake.exits, fake.out]).toEqual([[EXIT.configuration], '']);
      expect(fake.err).toMatch(/--help/);
    },
  );

  test('--check-config of a good file', async () => {
    await using files = await serviceFiles('key-service');
    for (const [args, says] of [
      [[], 'The configuration is valid.\n'],
      [['--json'], '{"config":"valid"}\n'],
    ] as const) {
      const fake = new FakeHost(['--config', await configured(files), '--check-config', ...args]);
      await runService(definition(), fake.host);
      expect([fake.exits, fake.out, fake.err]).toEqual([[EXIT.done], says, '']);
    }
  });

  test('--check-config of a bad one: every problem, as text and as JSON', async () => {
    await using files = await serviceFiles('gateway');
    const file = await configured(files, `${YAML}${OWN}prob: 1\n`);
    const text = new FakeHost(['--config', file, '--check-config']);
    await runService(definition(), text.host);
    expect([text.exits, text.out]).toEqual([[EXIT.configuration], '']);
    expect(text.err).toMatch(/config\.yaml:2: identity\.certFile: names/);
    expect(text.err).toMatch(/config\.yaml:\d+: prob: is not a known key/);
    const json = new FakeHost(['--config', file, '--check-config', '--json']);
    await runService(definition(), json.host);
    expect(json.exits).toEqual([EXIT.configuration]);
    const { problems } = JSON.parse(json.out) as { problems: { key: string }[] };
    expect(problems.map(({ key }) => key).toSorted()).toEqual(['identity.certFile', 'prob']);
  });

  test('a defect in the reading itself is told, and is exit code 1', async () => {
    await using files = await serviceFiles('key-service');
    const fake = new FakeHost(['--config', await configured(files)], { isChild: true });
    const broken: typeof schema = {
      ...schema,
      read() {
        throw new Error('a defect');
      },
    };
    await runService({ ...definition(), schema: broken }, fake.host);
    expect(fake.exits).toEqual([EXIT.failed]);
    expect(fake.err).toContain('a defect');
    expect(fake.reports).toMatchObject([{ kind: 'failed' }]);
  });

  test('the same problems keep it from starting, and its parent hears of them', async () => {
    const fake = new FakeHost(['--config', '/none/config.yaml'], { isChild: true });
    await runService(definition(), fake.host);
    expect(fake.exits).toEqual([EXIT.configuration]);
    expect(fake.reports).toEqual([
      { kind: 'failed', message: expect.stringMatching(/does not exist/) as string },
    ]);
  });
});

describe('a life', () => {
  /** Started as a child, reported as listening. */
  async function start(
    files: ServiceFiles,
    compose?: Compose,
  ): Promise<{ fake: FakeHost; probesPort: number }> {
    const fake = new FakeHost(['--config', await configured(files)], { isChild: true });
    await runService(definition(compose), fake.host);
    const report = await fake.reported();
    if (report.kind !== 'listening') throw new Error(report.message);
    expect(report.port).toBe(4711);
    return { fake, probesPort: report.probesPort };
  }

  test('is ready, and on SIGTERM not ready, then the service ends, then what it stands on', async () => {
    await using files = await serviceFiles('key-service');
    const order: string[] = [];
    let port = 0;
    const { fake, probesPort } = await start(files, async (_config, _runtime, { use }) => {
      use({ [Symbol.asyncDispose]: async () => void order.push('what it stands on ends') });
      return service(
        async () => void order.push(`the service ends, probes say ${(await readyz(files, port)).status}`),
      );
    });
    port = probesPort;
    expect(await readyz(files, probesPort)).toEqual({ status: 200, checks: [] });
    fake.emit('SIGTERM');
    expect(await fake.exited()).toBe(EXIT.done);
    expect(order).toEqual(['the service ends, probes say 503', 'what it stands on ends']);
    await expect(readyz(files, probesPort)).rejects.toThrow(/ECONNREFUSED/);
  });

  test.each(['SIGINT', 'SIGHUP', 'disconnect'])('ends by %s', async (event) => {
    await using files = await serviceFiles('key-service');
    const { fake } = await start(files);
    fake.emit(event);
    expect(await fake.exited()).toBe(EXIT.done);
  });

  test('a second signal does not wait, one that comes with the first does', async () => {
    await using files = await serviceFiles('key-service');
    const held = Promise.withResolvers<void>();
    const { fake } = await start(files, async () => service(() => held.promise));
    fake.emit('SIGINT');
    fake.emit('SIGTERM');
    await delay(1_100);
    expect(fake.exits).toEqual([]);
    fake.emit('SIGINT');
    expect(fake.exits).toEqual([EXIT.interrupted]);
    held.resolve();
    await fake.exited();
  });

  test('what does not end cleanly is exit code 1', async () => {
    await using files = await serviceFiles('key-service');
    const { fake } = await start(files, async () => service(() => Promise.reject(new Error('stuck'))));
    fake.emit('SIGTERM');
    expect(await fake.exited()).toBe(EXIT.failed);
    expect(fake.err).toMatch(/did not end cleanly/);
  });

  test('what is not there yet is waited for: alive, not ready, saying what for', async () => {
    await using files = await serviceFiles('key-service');
    let attempts = 0;
    let isThere = false;
    const fake = new FakeHost(['--config', await configured(files)], {
      isChild: true,
    });
    let probesPort = 0;
    const ran = runService(
      definition(async (_config, _runtime, { probes, use }) => {
        probesPort = probes.port;
        attempts += 1;
        use({ [Symbol.asyncDispose]: async () => undefined });
        if (!isThere) throw unavailable('the database is not there');
        return service();
      }),
      fake.host,
    );
    for (let waited = 0; attempts < 3 && waited < 10_000; waited += 10) await delay(10);
    expect(await readyz(files, probesPort)).toMatchObject({
      status: 503,
      checks: expect.arrayContaining(['dependencies: waits for its backends']) as string[],
    });
    expect([fake.reports, fake.exits]).toEqual([[], []]);
    isThere = true;
    await ran;
    expect((await fake.reported()).kind).toBe('listening');
    expect((await readyz(files, probesPort)).status).toBe(200);
    fake.emit('SIGTERM');
    expect(await fake.exited()).toBe(EXIT.done);
  });

  test('is told to end while it waits', async () => {
    await using files = await serviceFiles('key-service');
    const fake = new FakeHost(['--config', await configured(files)]);
    const ran = runService(
      definition(() => Promise.reject(unavailable('never'))),
      fake.host,
    );
    await delay(200);
    fake.emit('SIGTERM');
    expect(await fake.exited()).toBe(EXIT.done);
    await ran;
    expect(fake.exits).toEqual([EXIT.done]);
  });

  test('what waiting does not mend is exit code 1, once in the log, and told to its parent', async () => {
    await using files = await serviceFiles('key-service');
    const fake = new FakeHost(['--config', await configured(files)], { isChild: true });
    await runService(
      definition(() => Promise.reject(new Error('the root key is another'))),
      fake.host,
    );
    expect(await fake.exited()).toBe(EXIT.failed);
    expect(fake.reports).toEqual([{ kind: 'failed', message: 'the root key is another' }]);
    expect(fake.err.match(/cannot start/g)).toHaveLength(1);
  });

  test.each(['uncaughtException', 'unhandledRejection'])('%s is exit code 1, logged once', async (event) => {
    await using files = await serviceFiles('key-service');
    const { fake } = await start(files);
    fake.emit(event, new Error('a defect'));
    fake.emit('unhandledRejection', new Error('its echo'));
    expect(fake.exits).toEqual([EXIT.failed]);
    expect(fake.err.match(/nobody handled/g)).toHaveLength(1);
    fake.emit('SIGTERM'); // closes what the process would have taken with it
    for (let waited = 0; fake.exits.length < 2 && waited < 5_000; waited += 10) await delay(10);
  });

  test('each attempt has metrics of its own, and the probes show the last', async () => {
    await using files = await serviceFiles('key-service');
    let attempts = 0;
    let probesPort = 0;
    const { fake } = await start(files, async (_config, { metrics }, { probes }) => {
      attempts += 1;
      metrics.counter({ name: 'once', help: 'Registered once.' }).add({}, attempts);
      probesPort = probes.port;
      if (attempts === 1) throw unavailable('not yet');
      return service();
    });
    expect(attempts).toBe(2);
    const { body } = await probe(files, probesPort, '/metrics');
    expect(body).toMatch(/^sallyport_once\{.*\} 2$/mu);
    const { validToDate } = new X509Certificate(await readFile(join(files.folder, 'tls/service.pem')));
    expect(body).toMatch(
      new RegExp(
        `^sallyport_certificate_expires_timestamp_seconds\\{.*\\} ${validToDate.getTime() / 1000}$`,
        'mu',
      ),
    );
    fake.emit('SIGTERM');
    expect(await fake.exited()).toBe(EXIT.done);
  });
});
