/**
 * One message end to end, and everything around it, against `sallyport up` as a user runs it.
 *
 * Budget: 60 s on two cores. One process for the whole file; its tests build on one another, in order.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jsonLines, runCommand, type Ran } from '../support/command-line.ts';
import { freePortBase } from '../support/ports.ts';
import { get, offerTls } from '../support/probes.ts';
import { eventually, runPasted, runProcess, startSystem, type Started } from '../support/running-system.ts';
import { json, openSession } from '../support/session.ts';
import { listenersOf } from '../support/sockets.ts';
import { temporaryHome, type TemporaryHome } from '../support/temporary-home.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';

const MESSAGES = 10_000;
const START_MS = 90_000;

let home: TemporaryHome;
let upstream: Upstream;
let system: Started;

beforeAll(async () => {
  home = await temporaryHome(await freePortBase());
  upstream = await startUpstream();
  system = await startSystem(home, { args: ['--route', `orders=${upstream.url}`] });
}, START_MS);

afterAll(async () => {
  await system[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
}, START_MS);

const sallyport = (...args: string[]): Promise<Ran> =>
  runCommand(args, {
    env: { SALLYPORT_HOME: home.folder, SALLYPORT_PORT_BASE: String(home.ports.https) },
  });

/** What the log holds of the messages to a destination, once there are so many of them. */
function messages(count: number, ...filter: string[]): Promise<Record<string, unknown>[]> {
  return eventually(`${count} messages in the log`, async () => {
    const args = ['audit', 'query', '--since', '5m', '--action', 'message.send', '--json', ...filter];
    const { code, err, json: rows } = await sallyport(...args);
    expect([code, err]).toEqual([0, '']);
    const found = rows();
    const isSettled = ({ outcome }: Record<string, unknown>): boolean =>
      outcome !== undefined && outcome !== 'unknown';
    return found.length >= count && found.every(isSettled) ? found : undefined;
  });
}

const revision = async (): Promise<string> => {
  const { json: rows } = await sallyport('policy', 'status', '--json');
  return String(rows()[0]?.['revision']);
};

describe('ready', () => {
  test('means 200 over HTTPS, verified with the trust root of the state folder', async () => {
    const ca = await readFile(home.caFile, 'utf8');
    const ready = await get(home.ports.https, '/readyz', ca);
    expect(ready.status).toBe(200);
    const report = JSON.parse(ready.body) as { ready: boolean; checks: { name: string; ok: boolean }[] };
    expect(report.ready).toBe(true);
    // Each of the five services asks its own ports.
    const services = new Set(report.checks.map(({ name }) => name.replace(/:.*/u, '')));
    expect([...services].toSorted()).toEqual([
      'audit-service',
      'auth-service',
      'gateway',
      'key-service',
      'lifecycle',
      'policy-service',
    ]);
    expect((await get(home.ports.https, '/healthz', ca)).status).toBe(200);
    expect((await get(home.ports.https, '/metrics', ca)).body).toMatch(/^# TYPE sallyport_/mu);
  });

  test('nothing listens but the seven ports, on loopback', async () => {
    const listeners = await listenersOf(system.pid);
    expect(listeners.map(({ port }) => port).toSorted((a, b) => a - b)).toEqual(Object.values(home.ports));
    expect(listeners.filter(({ isLoopback }) => !isLoopback)).toEqual([]);
  });

  test('a listener on all addresses would be seen', async () => {
    const open = createServer();
    await new Promise<void>((resolve) => open.listen(0, '0.0.0.0', resolve));
    const seen = await listenersOf(process.pid).finally(() => open.close());
    expect(seen.filter(({ isLoopback }) => !isLoopback)).toHaveLength(1);
  });

  const doors = ['https', 'channel', 'auth', 'key', 'policy', 'audit'] as const;
  test.each(doors)('TLS 1.2 is refused at %s', async (door) => {
    expect(await offerTls(home.ports[door], 'TLSv1.2')).toMatch(/PROTOCOL_VERSION|ECONNRESET/u);
  });

  test.each(['https', 'channel'] as const)('TLS 1.3 is taken at %s', async (door) => {
    expect(await offerTls(home.ports[door], 'TLSv1.3')).toBe('TLSv1.3');
  });

  test('doctor finds nothing wrong', async () => {
    const { code, out, err } = await sallyport('doctor');
    expect([code, err], out).toEqual([0, 'Nothing is wrong.\n']);
  });
});

describe('the first five minutes', () => {
  test('the three printed commands work as printed', async () => {
    const lines = system
      .out()
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line.startsWith('npx sallyport'));
    expect(lines).toHaveLength(3);
    const [send, query, verify] = lines as [string, string, string];
    const sent = await runPasted(send);
    expect([sent.code, sent.err]).toEqual([0, '']);
    expect(sent.out.trim()).toBe('{"hello":"world"}');
    await messages(1, '--destination', 'echo');
    const queried = await runPasted(query);
    expect(queried).toMatchObject({
      code: 0,
      out: expect.stringMatching(/user:admin +message\.send echo +allow → success/u) as string,
    });
    const verified = await runPasted(verify);
    expect(verified).toMatchObject({ code: 0, out: expect.stringMatching(/^The log verifies/u) as string });
  }, 60_000);

  test('a pre-shared key is as good as a certificate', async () => {
    const { code, out } = await sallyport('send', 'echo', '{"by":"psk"}', '--psk', 'batch');
    expect([code, out.trim()]).toEqual([0, '{"by":"psk"}']);
    const [row] = await messages(1, '--principal', 'workload:batch');
    expect(row).toMatchObject({ destination: 'echo', decision: 'allow', outcome: 'success' });
  });

  test('a role without the right gets a clean refusal, recorded', async () => {
    const before = (await sallyport('audit', 'query', '--json', '--principal', 'user:guest')).json();
    expect(before).toEqual([]);
    const { code, out, err } = await sallyport('send', 'echo', '{"let":"me"}', '--as', 'guest');
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/user:guest/u);
    expect(err).not.toMatch(/defect|at .*\.ts/u);
    const [row, ...more] = await messages(1, '--principal', 'user:guest');
    expect(more).toEqual([]);
    expect(row).toMatchObject({
      decision: 'deny',
      outcome: 'refused',
      destination: 'echo',
      policyRevision: await revision(),
    });
  });

  test('the refusal as JSON is one object with its code', async () => {
    const { code, err } = await sallyport('send', 'echo', '{"let":"me"}', '--as', 'guest', '--json');
    expect(code).toBe(1);
    expect(jsonLines(err)).toEqual([{ error: expect.objectContaining({ code: 'denied' }) as unknown }]);
  });

  test('a destination that is not there is a refusal with what to do', async () => {
    const { code, err } = await sallyport('send', 'nowhere', '{}');
    expect([code, err]).toEqual([1, expect.stringContaining('nowhere')]);
  });
});

describe('a file of messages to an HTTP upstream', () => {
  test('shows progress, ends with counts, and each message is in the log exactly once', async () => {
    const file = join(home.folder, 'orders.ndjson');
    const lines = Array.from({ length: MESSAGES }, (_, index) =>
      JSON.stringify({ order: index, item: `article ${index % 97}`, quantity: (index % 9) + 1 }),
    );
    await writeFile(file, `${lines.join('\n')}\n`);
    const sent = await runProcess(home, ['send', 'orders', '--file', file, '--as', 'alice']);
    expect(sent.code, sent.err).toBe(0);
    expect(sent.err).toMatch(/ done/u);
    expect(`${sent.out}${sent.err}`).toMatch(/succeeded +10,000/u);
    const perSecond = Math.round((MESSAGES * 1000) / sent.tookMs);
    console.log(`10,000 messages to an HTTP upstream: ${Math.round(sent.tookMs)} ms, ${perSecond}/s`);

    expect(upstream.requests.map(({ body }) => body).toSorted()).toEqual(lines.toSorted());
    const keys = upstream.requests.map(({ headers }) => headers['idempotency-key']);
    expect(new Set(keys).size).toBe(MESSAGES);

    const rows = await messages(MESSAGES, '--destination', 'orders');
    expect(rows).toHaveLength(MESSAGES);
    expect(new Set(rows.map(({ correlation }) => correlation)).size).toBe(MESSAGES);
    const inForce = await revision();
    const expected = {
      principal: 'user:alice',
      decision: 'allow',
      outcome: 'success',
      policyRevision: inForce,
    };
    for (const row of rows) expect(row).toMatchObject(expected);
  }, 120_000);

  test('limits and phases of the query fit the same messages', async () => {
    const some = await sallyport('audit', 'query', '--destination', 'orders', '--limit', '1500', '--json');
    expect(some.json()).toHaveLength(1500);
    const [row] = some.json();
    const correlation = String(row?.['correlation']);
    const phases = await sallyport('audit', 'query', '--correlation', correlation, '--phases', '--json');
    expect(phases.json().map(({ phase }) => phase)).toEqual(['decision', 'outcome']);
  }, 30_000);
});

describe('policy', () => {
  test('flipping one fact flips the decision, and the record names the revision that decided', async () => {
    const decisions: [number, string, string][] = [];
    const tryIt = async (): Promise<number> => (await sallyport('send', 'echo', '{}', '--as', 'guest')).code;
    const settled = async (): Promise<string> =>
      eventually('every gateway at the new revision', async () => {
        const [status] = (await sallyport('policy', 'status', '--json')).json() as {
          revision: number;
          instances: { revision: number }[];
        }[];
        const isEverywhere = status?.instances.every((each) => each.revision === status.revision);
        return isEverywhere === true ? String(status?.revision) : undefined;
      });
    const step = async (...args: string[]): Promise<void> => {
      if (args.length > 0) expect((await sallyport('policy', ...args)).code, args.join(' ')).toBe(0);
      const inForce = await settled();
      const code = await tryIt();
      const checked = await sallyport('policy', 'check', 'user:guest', 'message.send', 'echo');
      expect(checked.code).toBe(code);
      decisions.push([code, args[0] ?? 'before', inForce]);
    };
    const earlier = (await messages(1, '--principal', 'user:guest')).length;
    await step();
    await step(
      'roles',
      'put',
      'echoer',
      '--allow',
      'message.send=echo',
      '--description',
      'may try things out',
    );
    await step('bind', 'user:guest', 'echoer');
    await step('unbind', 'user:guest', 'echoer');
    await step('roles', 'delete', 'echoer');
    expect(decisions.map(([code]) => code)).toEqual([1, 1, 0, 1, 1]);
    const rows = (await messages(earlier + 5, '--principal', 'user:guest')).slice(earlier);
    expect(rows.map(({ decision, policyRevision }) => [decision, policyRevision])).toEqual(
      decisions.map(([code, , inForce]) => [code === 0 ? 'allow' : 'deny', inForce]),
    );
    expect(new Set(decisions.map(([, , inForce]) => inForce)).size).toBe(5);
  }, 60_000);

  test('a change by someone without the right is refused, and recorded', async () => {
    const before = await revision();
    const { code, err } = await sallyport('policy', 'bind', 'user:guest', 'admin', '--as', 'guest');
    expect([code, err]).toEqual([1, expect.stringContaining('user:guest')]);
    expect(await revision()).toBe(before);
    const rows = await eventually('the refusal in the log', async () => {
      const found = (
        await sallyport('audit', 'query', '--principal', 'user:guest', '--action', 'policy.write', '--json')
      ).json();
      return found.length > 0 ? found : undefined;
    });
    expect(rows).toMatchObject([{ decision: 'deny', outcome: 'refused' }]);
  });
});

describe('keys', () => {
  const KEYS = [
    'access-token-eddsa',
    'access-token-es256',
    'audit-checkpoint',
    'auth/oauth',
    'auth/password',
    'auth/psk',
    'channel/session',
    'gateway/handle',
    'policy-bundle',
    'session-binding',
  ];
  /** By whoever signs in, and by whoever is given a handle. */
  const FIRST_NEEDED_LATER = ['auth/oauth', 'gateway/handle'];

  test('every key can be rotated, and everything goes on', async () => {
    await using live = await openSession(home, 'alice');
    const names = new Set((await sallyport('keys', 'list', '--json')).json().map(({ name }) => String(name)));
    expect([...names, ...FIRST_NEEDED_LATER].toSorted()).toEqual(expect.arrayContaining(KEYS));
    expect(KEYS).toEqual(expect.arrayContaining([...names]));
    for (const name of names) {
      const { code, err } = await sallyport('keys', 'rotate', name);
      expect([code, err], name).toEqual([0, '']);
      const [active] = (await sallyport('keys', 'list', '--json'))
        .json()
        .filter((row) => row['name'] === name && row['state'] === 'active');
      expect(active?.['version'], name).toBe(2);
      // A session that is open, a new one by certificate, a new one by the key that was sealed before.
      expect(new TextDecoder().decode((await live.request('echo', json({ name }))).body)).toBe(
        JSON.stringify({ name }),
      );
      expect((await sallyport('send', 'echo', '{}')).code, name).toBe(0);
      expect((await sallyport('send', 'echo', '{}', '--psk', 'batch')).code, name).toBe(0);
      expect((await sallyport('policy', 'bind', 'user:alice', 'guest')).code, name).toBe(0);
      expect((await sallyport('token', '--as', 'alice', '--json')).code, name).toBe(0);
    }
    const verified = await sallyport('audit', 'verify', '--json');
    expect([verified.code, verified.err]).toEqual([0, '']);
  }, 60_000);
});

describe('sessions', () => {
  test('are listed, and revoking ends a live one at once', async () => {
    await using live = await openSession(home, 'alice');
    await live.request('echo', json({}));
    const listed = (await sallyport('sessions', 'list', '--principal', 'user:alice', '--json')).json();
    expect(listed.map(({ sessionId }) => sessionId)).toContain(live.sessionId);
    const revokedAt = performance.now();
    expect((await sallyport('sessions', 'revoke', live.sessionId)).code).toBe(0);
    await eventually('the session’s end', async () => live.closedBy, 5_000);
    expect(performance.now() - revokedAt).toBeLessThan(5_000);
    await expect(live.request('echo', json({}))).rejects.toMatchObject({ mayHaveTakenEffect: false });
    const after = (await sallyport('sessions', 'list', '--all', '--json')).json();
    expect(after.find(({ sessionId }) => sessionId === live.sessionId)).toMatchObject({ state: 'revoked' });
  }, 20_000);

  test('others on the gateway go on', async () => {
    await using mine = await openSession(home, 'alice');
    await using other = await openSession(home, 'admin');
    expect((await sallyport('sessions', 'revoke', '--principal', 'user:alice')).code).toBe(0);
    await eventually('the session’s end', async () => mine.closedBy, 5_000);
    expect((await other.request('echo', json(1))).body).toEqual(json(1));
  }, 20_000);
});

describe('audit', () => {
  test('tail shows a message while it happens', async () => {
    const interrupt = new AbortController();
    let shown = '';
    const tail = runCommand(['audit', 'tail', '--destination', 'echo', '--json'], {
      env: { SALLYPORT_HOME: home.folder, SALLYPORT_PORT_BASE: String(home.ports.https) },
      signal: interrupt.signal,
      onOut: (text) => (shown += text),
    });
    await eventually('a message in the tail', async () => {
      await sallyport('send', 'echo', '{"seen":"live"}');
      return shown.includes('"message.send"') ? true : undefined;
    });
    interrupt.abort();
    const { code, err } = await tail;
    expect([code, err]).toEqual([0, '']);
    expect(jsonLines(shown)[0]).toMatchObject({
      action: 'message.send',
      destination: 'echo',
      principal: 'user:admin',
    });
  }, 30_000);

  test('a proof verifies without the system, and not with any byte changed', async () => {
    const [row] = await messages(1, '--principal', 'workload:batch');
    const file = join(home.folder, 'proof');
    expect((await sallyport('audit', 'prove', String(row?.['leafIndex']), '--out', file)).code).toBe(0);
    // Nothing listens at these ports: the check is offline.
    const offline = (proof: string): Promise<Ran> =>
      runCommand(['audit', 'verify', '--proof', proof, '--json', '--home', home.folder, '--port-base', '1']);
    const checked = await offline(file);
    expect(checked.code, checked.err).toBe(0);
    expect(checked.json()[0]).toMatchObject({ ok: true, leafIndex: row?.['leafIndex'] });
    expect(checked.out).toContain(String(row?.['correlation']));

    const bytes = await readFile(file);
    const survived: number[] = [];
    for (let at = 0; at < bytes.length; at += 1 + Math.floor(bytes.length / 200)) {
      const flipped = Uint8Array.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      const broken = join(home.folder, 'broken-proof');
      await writeFile(broken, flipped);
      const { code } = await offline(broken);
      if (code !== 1) survived.push(at);
    }
    expect(survived).toEqual([]);
  }, 30_000);

  test('a leaf that is not there is refused', async () => {
    expect((await sallyport('audit', 'prove', '99999999')).code).toBe(1);
  });

  test('the whole log verifies, and the next time against what was verified before', async () => {
    expect((await sallyport('audit', 'verify', '--json')).json()).toMatchObject([{ ok: true, findings: [] }]);
    const { code, out } = await sallyport('audit', 'verify');
    expect([code, out]).toEqual([0, expect.stringContaining('Consistent with the checkpoint of size')]);
  }, 30_000);
});

describe('one state folder, one owner', () => {
  test('a second up says so and leaves', async () => {
    const second = await runProcess(home, ['up'], { timeoutMs: 20_000 });
    expect(second).toMatchObject({ code: 1, out: '' });
    expect(second.err).toContain(`${home.folder} is in use by process ${system.pid}`);
    expect(second.err).toMatch(/SALLYPORT_HOME/u);
    expect((await sallyport('send', 'echo', '{}')).code).toBe(0);
  }, 30_000);
});

describe('Ctrl-C', () => {
  test('several within a second are one: what is under way is answered, then everything ends', async () => {
    upstream.delayMs = 1_500;
    const session = await openSession(home, 'alice');
    const answer = session.request('orders', json({ last: true }));
    const before = upstream.requests.length;
    await eventually('the request upstream', async () =>
      upstream.requests.length > before ? true : undefined,
    );
    const signalledAt = performance.now();
    for (let signal = 0; signal < 4; signal += 1) {
      system.signal('SIGINT');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(new TextDecoder().decode((await answer).body)).toMatch(/executed/u);
    expect(await system.exited(), system.err()).toEqual({ code: 0, signal: null });
    expect(system.err()).toMatch(/Stopping[^]*Stopped\.\n$/u);
    console.log(`stopped after ${Math.round(performance.now() - signalledAt)} ms`);
    await session.close();
    upstream.delayMs = 0;
  }, 40_000);

  test(
    'the second start is quick, and nothing was forgotten',
    async () => {
      system = await startSystem(home, { args: ['--route', `orders=${upstream.url}`] });
      console.log(`second start: ready after ${Math.round(system.readyAfterMs)} ms`);
      expect(system.readyAfterMs).toBeLessThan(30_000);
      const [last] = (await messages(MESSAGES + 1, '--destination', 'orders')).slice(-1);
      expect(last).toMatchObject({ decision: 'allow', outcome: 'success' });
      const { code, out } = await sallyport('audit', 'verify');
      expect([code, out]).toEqual([0, expect.stringContaining('Consistent with')]);
    },
    START_MS,
  );

  test('SIGTERM ends it the same way', async () => {
    system.signal('SIGTERM');
    expect(await system.exited(), system.err()).toEqual({ code: 0, signal: null });
  }, 40_000);
});
