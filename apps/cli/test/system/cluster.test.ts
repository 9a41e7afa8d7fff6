/**
 * The cluster profile as a user runs it: two gateways and two audit-services beside one of each other service, on real
 * Redis, NATS and Postgres.
 *
 * Budget: 120 s on two cores. One cluster for the whole file; its tests build on one another, in order.
 */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serverSuite } from '@sallyport/service/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommand, type Ran } from '../support/command-line.ts';
import { freePortBase } from '../support/ports.ts';
import { get } from '../support/probes.ts';
import { aliveOf, processesOf } from '../support/processes.ts';
import { eventually, runProcess, startSystem, type Started } from '../support/running-system.ts';
import { listenersOf } from '../support/sockets.ts';
import { temporaryHome, type TemporaryHome } from '../support/temporary-home.ts';

const MESSAGES = 5_000;
const START_MS = 90_000;

const suite = await serverSuite('redis', 'nats', 'postgres');

describe.skipIf(suite.skip)(suite.title('cluster profile'), () => {
  let home: TemporaryHome;
  let system: Started;

  beforeAll(async () => {
    home = await temporaryHome(await freePortBase());
    system = await startSystem(home, { profile: 'cluster', replicas: 'gateway=2,audit-service=2' });
    console.log(
      `cluster of seven processes and three servers: ready after ${Math.round(system.readyAfterMs)} ms`,
    );
  }, START_MS);

  afterAll(async () => {
    await system[Symbol.asyncDispose]();
    await home[Symbol.asyncDispose]();
  }, START_MS);

  const sallyport = (...args: string[]): Promise<Ran> =>
    runCommand(args, {
      env: { SALLYPORT_HOME: home.folder, SALLYPORT_PORT_BASE: String(home.ports.https) },
    });

  const gateways = async (): Promise<readonly string[]> =>
    (await system.endpoints()).processes
      .filter(({ name }) => name === 'gateway')
      .map(({ port }) => `127.0.0.1:${port}`);

  test('every process is listed, and each says by itself that it is ready', async () => {
    const { processes } = await system.endpoints();
    expect(processes.map(({ name, replica }) => `${name} ${replica}`)).toEqual([
      'gateway 1',
      'gateway 2',
      'auth-service 1',
      'key-service 1',
      'policy-service 1',
      'audit-service 1',
      'audit-service 2',
    ]);
    const ca = await readFile(home.caFile, 'utf8');
    for (const { probesPort } of processes) {
      expect((await get(probesPort, '/readyz', ca)).status).toBe(200);
      expect((await get(probesPort, '/healthz', ca)).status).toBe(200);
      expect((await get(probesPort, '/metrics', ca)).body).toMatch(/^# TYPE sallyport_/mu);
    }
    const [first] = processes;
    expect([first?.port, first?.probesPort]).toEqual([home.ports.channel, home.ports.https]);
  });

  test('nothing listens but on loopback, servers included', async () => {
    const pids = await processesOf(system.pid);
    // The parent, seven processes, three servers and what Postgres starts by itself.
    expect(pids.length).toBeGreaterThanOrEqual(11);
    const listeners = (await Promise.all(pids.map(listenersOf))).flat();
    expect(listeners.length).toBeGreaterThanOrEqual(17);
    expect(listeners.filter(({ isLoopback }) => !isLoopback)).toEqual([]);
  });

  test('passwords and configurations are for their owner alone', async () => {
    for (const name of ['secrets', 'key-service-1'])
      expect((await stat(join(home.clusterFolder, name))).mode & 0o077, name).toBe(0);
    const file = await stat(join(home.clusterFolder, 'secrets', 'postgres-superuser.password'));
    expect(file.mode & 0o077).toBe(0);
  });

  test('two principals send through both gateways, and each message is in the log once', async () => {
    const addresses = await gateways();
    expect(addresses).toHaveLength(2);
    const sent = await Promise.all(
      ['alice', 'admin'].map(async (principal, index) => {
        const file = join(home.folder, `${principal}.ndjson`);
        const lines = Array.from({ length: MESSAGES }, (_, order) => JSON.stringify({ principal, order }));
        await writeFile(file, `${lines.join('\n')}\n`);
        const args = ['send', 'echo', '--file', file, '--as', principal, '--gateway', addresses[index] ?? ''];
        return runProcess(home, args, { timeoutMs: 90_000 });
      }),
    );
    for (const { code, out, err } of sent) {
      expect(code, err).toBe(0);
      expect(`${out}${err}`).toMatch(/succeeded +5,000/u);
    }
    const rows = await eventually(
      'all messages in the log',
      async () => {
        const args = ['audit', 'query', '--since', '10m', '--action', 'message.send', '--json'];
        const found = (await sallyport(...args)).json();
        return found.length >= 2 * MESSAGES && found.every(({ outcome }) => outcome === 'success')
          ? found
          : undefined;
      },
      60_000,
    );
    expect(rows).toHaveLength(2 * MESSAGES);
    expect(new Set(rows.map(({ correlation }) => correlation)).size).toBe(2 * MESSAGES);
    for (const principal of ['user:alice', 'user:admin'])
      expect(rows.filter((row) => row['principal'] === principal)).toHaveLength(MESSAGES);
  }, 180_000);

  test('the log verifies', async () => {
    const verified = await eventually('all leaves under a checkpoint', async () => {
      const ran = await sallyport('audit', 'verify');
      return ran.code === 0 && !ran.out.includes('not under a checkpoint') ? ran : undefined;
    });
    expect(verified.out).toMatch(/^The log verifies/u);
  }, 60_000);

  test('a pre-shared key made on first start works', async () => {
    const { code, out } = await sallyport('send', 'echo', '{"by":"psk"}', '--psk', 'batch');
    expect([code, out.trim()]).toEqual([0, '{"by":"psk"}']);
  });

  test('doctor finds nothing wrong', async () => {
    const { code, out, err } = await sallyport('doctor');
    expect([code, err], out).toEqual([0, 'Nothing is wrong.\n']);
  });

  test('a killed process comes back on its ports, and commands go on', async () => {
    const before = (await system.endpoints()).processes;
    for (const name of ['gateway', 'key-service', 'audit-service'] as const) {
      const victim = before.find((process) => process.name === name);
      process.kill(victim?.pid ?? 0, 'SIGKILL');
      const again = await eventually(`${name} again`, async () => {
        const now = (await system.endpoints()).processes.find(
          (each) => each.name === name && each.replica === 1,
        );
        return now?.pid !== null && now?.pid !== victim?.pid ? now : undefined;
      });
      expect([again.port, again.probesPort]).toEqual([victim?.port, victim?.probesPort]);
      const ca = await readFile(home.caFile, 'utf8');
      await eventually(`${name} ready`, async () => {
        const ready = await get(again.probesPort, '/readyz', ca).catch(() => undefined);
        return ready?.status === 200 ? true : undefined;
      });
    }
    expect((await sallyport('send', 'echo', '{"after":"kills"}')).code).toBe(0);
    expect(system.err()).toMatch(/gateway-1 was ended by SIGKILL; it is started again/u);
  }, 60_000);

  test('with a gateway gone, sessions are opened at the other', async () => {
    const [first = '', second = ''] = await gateways();
    const nobody = '127.0.0.1:1';
    for (const gateway of [`${nobody},${second}`, `${second},${nobody}`, `${nobody},${first}`]) {
      const { code, err } = await sallyport('send', 'echo', '{}', '--gateway', gateway);
      expect([code, err], gateway).toEqual([0, '']);
    }
  });

  test('killed servers come back, and nothing that was acknowledged is lost', async () => {
    const killed = ['redis-server', 'nats-server', 'postgres'];
    for (const name of killed) {
      const pid = Number(new RegExp(`^ *${name} +(\\d+)`, 'mu').exec(system.out())?.[1]);
      process.kill(pid, 'SIGKILL');
    }
    for (const name of killed)
      await eventually(
        `${name} ended`,
        async () => system.err().includes(`${name} was ended by SIGKILL`) || undefined,
      );
    await eventually(
      'messages go through again',
      async () => ((await sallyport('send', 'echo', '{"after":"servers"}')).code === 0 ? true : undefined),
      30_000,
    );
    const verified = await eventually(
      'the log verifies',
      async () => {
        const ran = await sallyport('audit', 'verify');
        return ran.code === 0 ? ran : undefined;
      },
      30_000,
    );
    expect(verified.out).toMatch(/^The log verifies/u);
  }, 90_000);

  test('one Ctrl-C ends everything in order, and nothing is left', async () => {
    const pids = await processesOf(system.pid);
    expect(pids.length).toBeGreaterThanOrEqual(11);
    const { code } = await system.stop();
    expect([code, system.err().trimEnd().split('\n').at(-1)]).toEqual([0, 'Stopped.']);
    expect(await aliveOf(pids)).toEqual([]);
    await expect(system.endpoints()).rejects.toThrow(/no cluster runs/u);
  }, 60_000);

  test('a second start goes on where the first ended; when it is killed outright, all that it started ends', async () => {
    system = await startSystem(home, { profile: 'cluster' });
    expect((await sallyport('audit', 'verify')).out).toMatch(/^The log verifies/u);
    const pids = await processesOf(system.pid);
    expect(pids.length).toBeGreaterThanOrEqual(9);
    system.signal('SIGKILL');
    await system.exited();
    await eventually('all gone', async () => ((await aliveOf(pids)).length === 0 ? true : undefined), 8_000);
  }, 120_000);
});
