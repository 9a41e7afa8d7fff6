/** A running cluster as those see it who operate it and those who use it: probes, metrics, commands, sessions, counts. */
import { readFile } from 'node:fs/promises';
import type { Channel } from '@sallyport/client';
import type { ServiceName } from '@sallyport/service/identity';
import type { ProcessEndpoint } from '../../src/cluster/endpoints.ts';
import { violations, type Effect, type Violation } from '../long/oracle.ts';
import { administrator, leafHashes, watchCheckpoints } from '../long/watch.ts';
import { runCommand, type Ran } from './command-line.ts';
import type { World } from './given-servers.ts';
import { numberedRequests, openAt, type Answer, type Numbered, type SessionOptions } from './numbered.ts';
import { get } from './probes.ts';
import { eventually } from './running-system.ts';
import type { Upstream } from './upstream.ts';

export type Readiness = {
  readonly status: number;
  /** Names of the checks that fail. */
  readonly failed: readonly string[];
  /** The body. */
  readonly text: string;
};

export type ClusterView = {
  readonly numbered: Numbered;
  processes(name?: ServiceName): Promise<readonly ProcessEndpoint[]>;
  /** `host:port` of each, the first replica first. */
  gateways(): Promise<readonly string[]>;
  /** Of each replica. Status 0: it does not answer. */
  readiness(name: ServiceName): Promise<readonly Readiness[]>;
  /** Resolves with the milliseconds it took until every process, or every one of a service, was ready. */
  untilReady(withinMs: number, name?: ServiceName): Promise<number>;
  /** Sum over the replicas of a service and over series whose labels contain `labels`. */
  metric(service: ServiceName, name: string, labels?: string): Promise<number>;
  sallyport(...args: string[]): Promise<Ran>;
  open(principal: string, addresses?: readonly string[], options?: SessionOptions): Promise<Channel>;
  /** `count` numbered requests, eight at a time, to both upstreams in turn. */
  send(channel: Channel, count: number, timeoutMs?: number): Promise<readonly Answer[]>;
  /** Numbered requests through sessions of its own, one opened after the other, until stopped. */
  keepSending(addresses: readonly string[], options?: SessionOptions): { stop(): Promise<void> };
  /** Waits until spools are empty, and holds what clients were told against effects and the log. */
  reconcile(): Promise<readonly Violation[]>;
};

const IN_FLIGHT = 8;
const DAY_MS = 24 * 60 * 60_000;
const DEFAULT_TIMEOUT_MS = 10_000;
const SPOOLS_EMPTY_WITHIN_MS = 60_000;

export async function viewOf(world: World, policyMaxAgeMs: number): Promise<ClusterView> {
  const { home, system, orders, ledger } = world;
  // Further than any test sets a clock.
  const [beganAt = '', endsAt = ''] = [-DAY_MS, DAY_MS].map((by) => new Date(Date.now() + by).toISOString());
  const ca = await readFile(home.caFile, 'utf8');
  const access = await administrator(home);
  const numbered = numberedRequests();
  const env = { SALLYPORT_HOME: home.folder, SALLYPORT_PORT_BASE: String(home.ports.https) };

  const processes: ClusterView['processes'] = async (service) =>
    (await system.endpoints()).processes.filter(({ name }) => service === undefined || name === service);

  const gateways = async (): Promise<readonly string[]> =>
    (await processes('gateway')).map(({ port }) => `127.0.0.1:${port}`);

  async function readinessOf({ probesPort }: ProcessEndpoint): Promise<Readiness> {
    try {
      const { status, body } = await get(probesPort, '/readyz', ca);
      const { checks } = JSON.parse(body) as { checks: { name: string; ok: boolean }[] };
      return { status, failed: checks.flatMap(({ name, ok }) => (ok ? [] : [name])), text: body };
    } catch (error) {
      return { status: 0, failed: [], text: String(error) };
    }
  }

  async function untilReady(withinMs: number, service?: ServiceName): Promise<number> {
    const since = performance.now();
    let last = '';
    await eventually(
      'every process ready',
      async () => {
        const all = await processes(service);
        const found = await Promise.all(all.map(readinessOf));
        last = found
          .flatMap(({ status, text }, at) => (status === 200 ? [] : [`${all[at]?.name}: ${text}`]))
          .join('\n');
        return last === '' ? true : undefined;
      },
      withinMs,
    ).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}: ${last}`);
    });
    return Math.round(performance.now() - since);
  }

  async function metric(service: ServiceName, name: string, labels = ''): Promise<number> {
    const pages = await Promise.all(
      (await processes(service)).map(({ probesPort }) => get(probesPort, '/metrics', ca)),
    );
    let sum = 0;
    for (const line of pages.flatMap(({ body }) => body.split('\n'))) {
      const [, found, given = '', value] = /^(\w+)(\{[^}]*\})? (\S+)/u.exec(line) ?? [];
      if (found === name && given.includes(labels)) sum += Number(value);
    }
    return sum;
  }

  const sallyport = (...args: string[]): Promise<Ran> => runCommand(args, { env });

  async function settled(): Promise<void> {
    await eventually(
      'empty spools of gateways',
      async () =>
        (await metric('gateway', 'sallyport_messages_in_flight')) === 0 &&
        (await metric('gateway', 'sallyport_audit_spool_events')) === 0
          ? true
          : undefined,
      SPOOLS_EMPTY_WITHIN_MS,
    );
  }

  return {
    numbered,
    processes,
    gateways,
    readiness: async (name) => Promise.all((await processes(name)).map(readinessOf)),
    untilReady,
    metric,
    sallyport,
    open: async (principal, addresses, options) =>
      openAt(home, principal, addresses ?? (await gateways()), options),
    async send(channel, count, timeoutMs = DEFAULT_TIMEOUT_MS) {
      const answers: Answer[] = [];
      let next = 0;
      const worker = async (): Promise<void> => {
        while (next < count) {
          next += 1;
          const destination = next % 2 === 0 ? 'orders' : 'ledger';
          answers.push(await numbered.send(channel, destination, timeoutMs));
        }
      };
      await Promise.all(Array.from({ length: Math.min(count, IN_FLIGHT) }, worker));
      return answers;
    },
    keepSending(addresses, options) {
      const isOver = new AbortController();
      const running = (async () => {
        while (!isOver.signal.aborted) {
          const channel = await openAt(home, 'alice', addresses, options).catch(() => undefined);
          while (channel !== undefined && channel.closedBy === undefined && !isOver.signal.aborted) {
            await numbered.send(channel, numbered.sent.size % 2 === 0 ? 'orders' : 'ledger', 20_000);
            await pause(5);
          }
          await channel?.close();
          await pause(50);
        }
      })();
      return {
        async stop() {
          isOver.abort();
          await running;
        },
      };
    },
    async reconcile() {
      await settled();
      const audit = (await processes('audit-service')).map(({ port }) => `127.0.0.1:${port}`);
      const heads = watchCheckpoints(access, audit);
      const span = ['--since', beganAt, '--until', endsAt];
      const asked = await sallyport(
        'audit',
        'query',
        ...span,
        '--action',
        'message.send',
        '--phases',
        '--json',
      );
      if (asked.code !== 0) throw new Error(`audit query: ${asked.err}`);
      await heads.stop();
      const newest = Math.max(0, ...heads.seen.map(({ size }) => size));
      // A replica exports what is in its own folder, which may be a moment behind what another has signed.
      const hashes = await eventually('the leaves of every checkpoint', async () => {
        const found = await leafHashes(access, audit[0] ?? '');
        return found.length >= newest ? found : undefined;
      });
      const verified = await sallyport('audit', 'verify');
      const found = violations({
        load: numbered,
        rows: asked.json(),
        ...{ orders: effectsOf(orders), ledger: effectsOf(ledger) },
        ...{ checkpoints: heads.seen, leafHashes: hashes, changes: [], maxAgeMs: policyMaxAgeMs },
      });
      return verified.code === 0
        ? found
        : [...found, { rule: 'audit verify', what: `${verified.out}${verified.err}` }];
    },
  };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function effectsOf({ requests }: Upstream): readonly Effect[] {
  return requests.map(({ body, headers }) => ({
    id: (JSON.parse(body) as { id: number }).id,
    key: String(headers['idempotency-key']),
  }));
}

/** How many of each: `refusal/unavailable 24`. */
export function tallyOf(answers: readonly Answer[]): string {
  const counts = new Map<string, number>();
  for (const answer of answers) {
    const name = answer.kind === 'acknowledged' ? 'acknowledged' : answer.code;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => `${name} ${count}`).join(', ');
}
