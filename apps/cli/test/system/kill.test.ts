/**
 * SIGKILL at random moments, under load and while starting: what was acknowledged is in the log exactly once, every
 * effect has its decision recorded, nothing is executed twice, and the log verifies.
 *
 * Budget: 4 minutes on two cores; a restart per kill is most of it. `SALLYPORT_SEED` repeats a run's choices, as far as
 * the machine's own timing lets it; the seed is printed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChannelError, type Channel } from '@sallyport/client';
import { expect, test } from 'vitest';
import { runCommand } from '../support/command-line.ts';
import { freePortBase } from '../support/ports.ts';
import { seededRandom } from '../support/random.ts';
import { eventually, startSystem } from '../support/running-system.ts';
import { json, openSession } from '../support/session.ts';
import { temporaryHome, type TemporaryHome } from '../support/temporary-home.ts';
import { startUpstream } from '../support/upstream.ts';

const KILLS_UNDER_LOAD = 20;
const KILLS_WHILE_STARTING = 3;
const CLIENTS = ['alice', 'alice', 'admin'];
const IN_FLIGHT = 6;
/** Of a machine that does other things too. */
const BUDGET_MS = 8 * 60_000;

type Row = Readonly<Record<string, unknown>>;

/** What one client was told. */
type Ledger = {
  readonly acknowledged: { readonly correlation: string; readonly destination: string }[];
  unanswered: number;
  readonly surprises: string[];
};

test(
  `${KILLS_UNDER_LOAD + KILLS_WHILE_STARTING} kills lose nothing that was acknowledged`,
  async () => {
    const random = seededRandom(process.env);
    console.log(`SALLYPORT_SEED=${random.seed}`);
    await using home = await temporaryHome(await freePortBase());
    await using upstream = await startUpstream();
    const ledger: Ledger = { acknowledged: [], unanswered: 0, surprises: [] };
    const beganAt = new Date(Date.now() - 1_000).toISOString();
    const args = ['--route', `orders=${upstream.url}`];
    const startTimes: number[] = [];
    let messageId = 0;
    const nextId = (): number => (messageId += 1);
    let checked = 0;

    const moments = shuffled(
      [
        ...Array<'load'>(KILLS_UNDER_LOAD).fill('load'),
        ...Array<'start'>(KILLS_WHILE_STARTING).fill('start'),
      ],
      random.between,
    );
    for (const moment of moments) {
      if (moment === 'start') {
        await killWhileStarting(home, args, random.between(50, 2_500));
        continue;
      }
      const system = await startSystem(home, { args });
      startTimes.push(system.readyAfterMs);
      // What the process before had acknowledged is there again, whole.
      const before = ledger.acknowledged.slice(checked);
      checked = ledger.acknowledged.length;
      await expectAcknowledged(home, before);
      upstream.delayMs = random.between(0, 20);
      const load = Promise.all(CLIENTS.map((name) => keepSending(home, name, nextId, ledger)));
      await sleep(random.between(20, 1_500));
      system.signal('SIGKILL');
      expect(await system.exited()).toEqual({ code: null, signal: 'SIGKILL' });
      await load;
    }

    const last = await startSystem(home, { args });
    await using _ = last;
    await expectAcknowledged(home, ledger.acknowledged);
    const rows = await settledRows(home, beganAt);
    const decisions = rows.filter(({ phase }) => phase === 'decision');
    const outcomes = rows.filter(({ phase }) => phase === 'outcome');
    const times = startTimes.map(Math.round).toSorted((a, b) => a - b);
    console.log(
      `${ledger.acknowledged.length} acknowledged, ${ledger.unanswered} unanswered, ${upstream.requests.length} effects, ` +
        `${decisions.length} decisions, ${outcomes.length} outcomes; start ${times[0]} to ${times.at(-1)} ms`,
    );

    expect(ledger.surprises).toEqual([]);
    // A load that got nowhere, or was never cut, would prove nothing.
    expect(ledger.acknowledged.length).toBeGreaterThan(KILLS_UNDER_LOAD * 10);
    expect(ledger.unanswered).toBeGreaterThan(KILLS_UNDER_LOAD);

    const executed = upstream.requests.map(({ body }) => (JSON.parse(body) as { id: number }).id);
    expect(duplicatesOf(executed)).toEqual([]);
    expect(duplicatesOf(decisions.map(nameOf))).toEqual([]);
    expect(duplicatesOf(outcomes.map(nameOf))).toEqual([]);
    const decided = new Map(decisions.map((row) => [nameOf(row), row]));
    const effects = upstream.requests.map(({ headers }) => String(headers['idempotency-key']));
    expect(effects.filter((name) => decided.get(name)?.['decision'] !== 'allow')).toEqual([]);
    expect(outcomes.filter((row) => !decided.has(nameOf(row)))).toEqual([]);

    const verified = await runCommand(['audit', 'verify', '--json'], { env: envOf(home) });
    expect(verified.json(), verified.err).toMatchObject([{ ok: true, recordedGaps: [], findings: [] }]);
  },
  BUDGET_MS,
);

/** As the gateway names an effect to its upstream: session and correlation. */
const nameOf = (row: Row): string => `${String(row['sessionId'])}-${String(row['correlation'])}`;

const envOf = (home: TemporaryHome): Record<string, string> => ({
  SALLYPORT_HOME: home.folder,
  SALLYPORT_PORT_BASE: String(home.ports.https),
});

/** Requests with unique ids, several under way, until the gateway is gone. */
async function keepSending(
  home: TemporaryHome,
  name: string,
  nextId: () => number,
  ledger: Ledger,
): Promise<void> {
  let channel: Channel;
  try {
    channel = await openSession(home, name, 5_000);
  } catch (error) {
    // The kill came before the handshake ended.
    if (!isCut(error)) ledger.surprises.push(`handshake: ${String(error)}`);
    return;
  }
  const sendOne = async (): Promise<void> => {
    while (channel.closedBy === undefined) {
      const id = nextId();
      const destination = id % 2 === 0 ? 'orders' : 'echo';
      try {
        const { correlation, body } = await channel.request(destination, json({ id }), { timeoutMs: 10_000 });
        ledger.acknowledged.push({ correlation, destination });
        const text = new TextDecoder().decode(body);
        if (destination === 'echo' && text !== JSON.stringify({ id }))
          ledger.surprises.push(`echo of ${id}: ${text}`);
      } catch (error) {
        ledger.unanswered += 1;
        if (!isCut(error)) ledger.surprises.push(`request ${id}: ${String(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, sendOne));
  await channel.close();
}

const isCut = (error: unknown): boolean => error instanceof ChannelError && error.kind === 'connection';

async function killWhileStarting(
  home: TemporaryHome,
  args: readonly string[],
  afterMs: number,
): Promise<void> {
  const bin = join(import.meta.dirname, '..', '..', 'bin', 'sallyport.js');
  const child = spawn(process.execPath, [bin, 'up', ...args], {
    env: { PATH: process.env['PATH'], ...envOf(home) },
    stdio: 'ignore',
  });
  await sleep(afterMs);
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  // It was killed: it did not fail by itself.
  expect(child.signalCode).toBe('SIGKILL');
}

/** Each of them once, allowed, with the outcome that the client was told of. */
async function expectAcknowledged(home: TemporaryHome, expected: Ledger['acknowledged']): Promise<void> {
  const wanted = new Map(expected.map(({ correlation, destination }) => [correlation, destination]));
  const rows = await eventually(
    'every acknowledged message in the log',
    async () => {
      const answer = await runCommand(
        ['audit', 'query', '--since', '10m', '--action', 'message.send', '--outcome', 'success', '--json'],
        { env: envOf(home) },
      );
      expect([answer.code, answer.err]).toEqual([0, '']);
      const found = answer.json().filter(({ correlation }) => wanted.has(String(correlation)));
      return found.length >= wanted.size ? found : undefined;
    },
    30_000,
  );
  expect(duplicatesOf(rows.map(({ correlation }) => correlation))).toEqual([]);
  for (const row of rows) {
    expect(row).toMatchObject({ decision: 'allow', destination: wanted.get(String(row['correlation'])) });
  }
}

/** Every decision and outcome, once the spools are empty: nothing new comes while nobody sends. */
async function settledRows(home: TemporaryHome, since: string): Promise<readonly Row[]> {
  let previous = -1;
  return eventually(
    'a log that no longer grows',
    async () => {
      const args = ['audit', 'query', '--since', since, '--action', 'message.send', '--phases', '--json'];
      const rows = (await runCommand(args, { env: envOf(home) })).json();
      if (rows.length === previous) return rows;
      previous = rows.length;
      await sleep(500);
      return undefined;
    },
    30_000,
  );
}

function duplicatesOf<T>(items: readonly T[]): readonly T[] {
  const seen = new Set<T>();
  return items.filter((item) => seen.has(item) || !seen.add(item));
}

function shuffled<T>(items: readonly T[], between: (low: number, high: number) => number): readonly T[] {
  return items
    .map((item) => ({ item, key: between(0, 2 ** 30) }))
    .toSorted((a, b) => a.key - b.key)
    .map(({ item }) => item);
}
