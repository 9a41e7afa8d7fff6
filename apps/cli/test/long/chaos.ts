/**
 * Random faults of every process and server, and of the network between them, under load; then the oracle. Everything is
 * drawn from one seed: the same faults in the same order, as far as the machine's own timing lets them be the same.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from '../support/command-line.ts';
import { seededRandom } from '../support/random.ts';
import { eventually } from '../support/running-system.ts';
import type { Upstream } from '../support/upstream.ts';
import { get } from '../support/probes.ts';
import { FAULTS, type Fault } from './faults.ts';
import { startLoad } from './load.ts';
import { violations, type Effect, type Row, type Violation } from './oracle.ts';
import { createRecorder } from './replays.ts';
import { administrator, changePolicy, leafHashes, watchCheckpoints } from './watch.ts';
import { createWorld, POLICY_MAX_AGE_MS, type World } from './world.ts';

export type ChaosOptions = {
  readonly minutes: number;
  readonly seed: number | undefined;
  readonly replicas: string;
  readonly clients: number;
  readonly inFlight: number;
  readonly pauseMs: number;
  /** Only faults whose name has this in it. */
  readonly only: string | undefined;
  readonly log: (line: string) => void;
};

export type ChaosResult = {
  readonly seed: number;
  readonly minutes: number;
  readonly replicas: string;
  /** By name. */
  readonly faults: Readonly<Record<string, number>>;
  readonly messages: Readonly<Record<'sent' | 'acknowledged' | 'withoutEffect' | 'unknown', number>>;
  /** What clients were told when it was not a response. */
  readonly answers: Readonly<Record<string, number>>;
  readonly sessions: { readonly opened: number; readonly resumed: number };
  readonly frames: { readonly recorded: number; readonly replayed: number };
  readonly effects: number;
  readonly records: number;
  readonly leaves: number;
  readonly checkpoints: number;
  readonly policyRevisions: number;
  /** From the end of the last fault to a ready system that answers. */
  readonly recoveredAfterMs: number;
  readonly violations: readonly Violation[];
};

const MAX_AT_ONCE = 2;
/** Every so often everything is left alone until messages flow again: a system that never recovers is a finding. */
const CALM_EVERY_MS = 45_000;
const RECOVERY_MS = 60_000;
const REPLAY_EVERY_MS = 700;

export async function chaos(options: ChaosOptions): Promise<ChaosResult> {
  const { log } = options;
  const random = seededRandom(options.seed === undefined ? {} : { SALLYPORT_SEED: String(options.seed) });
  // One stream each, so that what clients do does not change which faults come.
  const streamOf = (offset: number) =>
    seededRandom({ SALLYPORT_SEED: String((random.seed + offset) >>> 0) }).between;
  log(`seed ${random.seed}`);
  await using world = await createWorld(options.replicas);
  const { home, system } = world;
  const { processes } = await system.endpoints();
  const addresses = (name: string): string[] =>
    processes.filter((process) => process.name === name).map(({ port }) => `127.0.0.1:${port}`);
  const beganAt = new Date(Date.now() - 1_000).toISOString();
  const env = { SALLYPORT_HOME: home.folder, SALLYPORT_PORT_BASE: String(home.ports.https) };

  const access = await administrator(home);
  const heads = watchCheckpoints(access, addresses('audit-service'));
  const policy = changePolicy(env, 3_000);
  const recorder = await createRecorder(home, addresses('gateway'), streamOf(1));
  const { clients, inFlight, pauseMs } = options;
  const load = startLoad({
    ...{ home, addresses: addresses('gateway'), clients, inFlight, pauseMs, recorder },
    between: streamOf(2),
  });
  const replaying = new AbortController();
  const replays = replayNowAndThen(recorder, streamOf(3), replaying.signal);

  const broken: Violation[] = [];
  const faults = await breakThings(world, options, random.between, load, broken);
  const calmAt = performance.now();
  await untilReady(
    world,
    processes.map(({ probesPort }) => probesPort),
    access.trust.caPem,
  ).catch((error: unknown) => broken.push({ rule: 'recovery', what: String(error) }));
  const recoveredAfterMs = Math.round(performance.now() - calmAt);
  replaying.abort();
  await Promise.all([replays, load.stop(), policy.stop()]);
  log('load stopped; reading the log');

  const rows = await settledRows(env, beganAt);
  await heads.stop();
  const highest = Math.max(0, ...heads.seen.map(({ size }) => size));
  // A replica serves what its own tiles cover; it may be a moment behind the one that signed.
  const hashes = await eventually(
    `all ${highest} leaves that a checkpoint covers`,
    async () => {
      const found = await leafHashes(access, addresses('audit-service')[0] ?? '');
      return found.length >= highest ? found : undefined;
    },
    60_000,
  );
  const [orders, ledger] = [effectsOf(world.orders), effectsOf(world.ledger)];
  const found = violations({
    ...{ load, rows, orders, ledger, checkpoints: heads.seen, leafHashes: hashes },
    ...{ changes: policy.seen, maxAgeMs: POLICY_MAX_AGE_MS },
  });
  const verified = await runCommand(['audit', 'verify', '--json'], { env });
  if (verified.code !== 0)
    broken.push({ rule: 'audit verify', what: `${verified.out}${verified.err}`.slice(0, 2_000) });
  const answers = [...load.sent.values()].map(({ answer }) => answer);
  const kinds = tally(answers.map((answer) => answer?.kind ?? 'none'));
  return {
    seed: random.seed,
    minutes: options.minutes,
    replicas: options.replicas,
    faults,
    messages: {
      sent: answers.length,
      acknowledged: kinds['acknowledged'] ?? 0,
      withoutEffect: kinds['without_effect'] ?? 0,
      unknown: kinds['unknown'] ?? 0,
    },
    answers: tally(
      answers.flatMap((answer) =>
        answer === undefined || answer.kind === 'acknowledged' ? [] : [answer.code],
      ),
    ),
    sessions: load.sessions(),
    frames: recorder.counts(),
    effects: orders.length + ledger.length,
    records: rows.length,
    leaves: hashes.length,
    checkpoints: heads.seen.length,
    policyRevisions: policy.seen.length,
    recoveredAfterMs,
    violations: [...broken, ...found],
  };
}

async function breakThings(
  world: World,
  { minutes, only, log }: ChaosOptions,
  between: (low: number, high: number) => number,
  load: { readonly recentRate: () => number },
  broken: Violation[],
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const choices = FAULTS.filter(({ name }) => only === undefined || name.includes(only));
  if (choices.length === 0) throw new RangeError(`no fault has "${only ?? ''}" in its name`);
  const startedAt = performance.now();
  const endsAt = startedAt + minutes * 60_000;
  const clock = (): string => `${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(7)} s`;
  const underWay = new Map<Fault, Promise<void>>();
  let calmAt = startedAt + CALM_EVERY_MS;
  while (performance.now() < endsAt) {
    await sleep(between(300, 3_000));
    if (performance.now() > calmAt) {
      await Promise.all(underWay.values());
      const recovered = await eventually(
        'messages that flow again',
        async () => (load.recentRate() > 0 ? true : undefined),
        RECOVERY_MS,
      ).catch(
        (error: unknown) => void broken.push({ rule: 'recovery', what: `${clock()}: ${String(error)}` }),
      );
      log(`${clock()}  calm: ${recovered === true ? `${load.recentRate()} answers a second` : 'NO ANSWERS'}`);
      await sleep(3_000);
      calmAt = performance.now() + CALM_EVERY_MS;
    }
    const fault = draw(choices, between);
    // Two faults of one server at once would be about the test, not about the system.
    if (underWay.size >= MAX_AT_ONCE || [...underWay.keys()].some((other) => areOfOne(fault, other)))
      continue;
    counts[fault.name] = (counts[fault.name] ?? 0) + 1;
    log(`${clock()}  ${fault.name} (${load.recentRate()} answers a second)`);
    const running = fault
      .run(world, between)
      .catch((error: unknown) => void broken.push({ rule: 'fault', what: `${fault.name}: ${String(error)}` }))
      .finally(() => underWay.delete(fault));
    underWay.set(fault, running);
  }
  await Promise.all(underWay.values());
  return counts;
}

const SUBJECTS = ['redis', 'nats', 'postgres', 'gateway', 'service', 'destinations'];
const subjectOf = ({ name }: Fault): string | undefined => SUBJECTS.find((subject) => name.includes(subject));
const areOfOne = (a: Fault, b: Fault): boolean => subjectOf(a) === subjectOf(b);

function draw(choices: readonly Fault[], between: (low: number, high: number) => number): Fault {
  let ticket = between(
    0,
    choices.reduce((sum, { weight }) => sum + weight, 0),
  );
  for (const fault of choices) {
    ticket -= fault.weight;
    if (ticket < 0) return fault;
  }
  throw new RangeError('weights are above 0');
}

async function replayNowAndThen(
  recorder: { replay(count: number): Promise<void> },
  between: (low: number, high: number) => number,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(REPLAY_EVERY_MS, undefined, { signal }).catch(() => undefined);
    await recorder.replay(between(1, 12));
  }
}

async function untilReady({ system }: World, probes: readonly number[], ca: string): Promise<void> {
  for (const port of probes) {
    let last = '';
    await eventually(
      `readiness of ${port}`,
      async () => {
        const answer = await get(port, '/readyz', ca).catch(() => undefined);
        last = answer?.body ?? 'no answer';
        return answer?.status === 200 ? true : undefined;
      },
      RECOVERY_MS,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${last}\n${system.err().slice(-2_000)}`);
    });
  }
}

function effectsOf({ requests }: Upstream): Effect[] {
  return requests.map(({ body, headers }) => ({
    id: (JSON.parse(body) as { id: number }).id,
    key: String(headers['idempotency-key']),
  }));
}

/** Every decision and outcome, once the spools are empty: nothing new comes while nobody sends. */
async function settledRows(env: Record<string, string>, since: string): Promise<readonly Row[]> {
  let previous = -1;
  return eventually(
    'a log that no longer grows',
    async () => {
      const args = ['audit', 'query', '--since', since, '--action', 'message.send', '--phases', '--json'];
      const { code, json, err } = await runCommand(args, { env });
      if (code !== 0) throw new Error(`audit query: ${err}`);
      const rows = json();
      if (rows.length === previous) return rows;
      previous = rows.length;
      await sleep(5_000);
      return undefined;
    },
    180_000,
  );
}

function tally(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
