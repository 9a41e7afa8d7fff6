/**
 * One message, read from its first byte to the checkpoint that covers its records, in an OTLP receiver that nobody here
 * wrote (docs/adr/0070): every span's parent is asserted. And the metrics of the same system against docs/metrics.md.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startOtlpReceiver, type OtlpReceiver, type ReceivedSpan } from '@sallyport/service/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { documentedFamilies, exposedFamilies } from './metrics-page.ts';
import { freePortBase } from './ports.ts';
import { get } from './probes.ts';
import { eventually, runProcess, startSystem, type Started, type UpOptions } from './running-system.ts';
import { temporaryHome, type TemporaryHome } from './temporary-home.ts';
import { startUpstream, type Upstream } from './upstream.ts';

const START_MS = 120_000;
const QUIET_MS = 2_500;

/** Spans of a trace as lines "service/name" below their parents, siblings by their start. */
function treeOf(spans: readonly ReceivedSpan[], parent: ReceivedSpan | undefined, depth = 0): string[] {
  return spans
    .filter(({ parentSpanId }) => parentSpanId === parent?.spanId)
    .toSorted((a, b) => Number(a.start - b.start) || a.name.localeCompare(b.name))
    .flatMap((span) => [
      `${'  '.repeat(depth)}${span.service} ${span.name}`,
      ...treeOf(spans, span, depth + 1),
    ]);
}

const RECORDED = (depth: number): string[] =>
  [
    'gateway audit.ship',
    '  audit-service audit.take',
    '    audit-service audit.commit',
    '      audit-service audit.checkpoint',
  ].map((line) => '  '.repeat(depth) + line);

/** In a `describe` of its own. */
export function traceSuite(options: Pick<UpOptions, 'profile' | 'replicas'>): void {
  let receiver: OtlpReceiver;
  let home: TemporaryHome;
  let upstream: Upstream;
  let system: Started;

  beforeAll(async () => {
    receiver = await startOtlpReceiver();
    home = await temporaryHome(await freePortBase());
    upstream = await startUpstream();
    await writeFile(home.configFile, `telemetry:\n  otlpUrl: ${receiver.url}\n  samplePercent: 0\n`);
    system = await startSystem(home, { ...options, args: ['--route', `orders=${upstream.url}`] });
  }, START_MS);

  afterAll(async () => {
    await system[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
    await home[Symbol.asyncDispose]();
    await receiver[Symbol.asyncDispose]();
  }, START_MS);

  async function send(
    ...args: string[]
  ): Promise<{ traceId: string; correlation: string; sessionId: string }> {
    const { code, out, err } = await runProcess(home, ['send', ...args, '--json']);
    expect([code, err]).toEqual([0, '']);
    return JSON.parse(out) as { traceId: string; correlation: string; sessionId: string };
  }

  const ofTrace = (traceId: string): ReceivedSpan[] =>
    receiver.spans().filter((span) => span.traceId === traceId);

  /** Once nothing more comes of it. Each process exports once a second. */
  async function wholeTrace(traceId: string): Promise<ReceivedSpan[]> {
    let quietSince = performance.now();
    let before = -1;
    return eventually(
      `the trace ${traceId} to be whole`,
      async () => {
        const spans = ofTrace(traceId);
        if (spans.length !== before) quietSince = performance.now();
        before = spans.length;
        const count = (name: string): number => spans.filter((span) => span.name === name).length;
        // Of the session's opening at auth-service, key-service and gateway, and of the message's two records.
        const records = count('audit.ship');
        const isWhole =
          records > 2 && count('audit.acknowledged') === records && count('sallyport send') === 1;
        return isWhole && performance.now() - quietSince > QUIET_MS ? spans : undefined;
      },
      30_000,
    );
  }

  describe('a message that is sent with --trace', () => {
    let spans: ReceivedSpan[];
    let sent: Awaited<ReturnType<typeof send>>;
    beforeAll(async () => {
      sent = await send('orders', '{"order":1}', '--trace');
      spans = await wholeTrace(sent.traceId);
    }, START_MS);

    const message = (): ReceivedSpan[] => {
      const [root] = spans.filter(({ name }) => name === 'message.send');
      const within = (span: ReceivedSpan): boolean =>
        span.spanId === root?.spanId ||
        spans.some((other) => other.spanId === span.parentSpanId && within(other));
      return spans.filter(within);
    };

    test('is one tree from the command to the checkpoint, parent by parent', () => {
      const [root] = spans.filter(({ name }) => name === 'sallyport send');
      const lines = treeOf(message(), root);
      expect(lines).toEqual([
        'sallyport-cli message.send',
        '  gateway gateway.message',
        '    gateway channel.open',
        '    gateway guard.admit',
        '    gateway policy.decide',
        '    gateway audit.append',
        ...acknowledged(3),
        '    gateway route.send',
        '    gateway audit.append',
        ...acknowledged(3),
        '    gateway guard.conclude',
        '    gateway gateway.respond',
      ]);
      // `audit.acknowledged` begins with the append and `audit.ship` after it.
      function acknowledged(depth: number): string[] {
        return [`${'  '.repeat(depth)}gateway audit.acknowledged`, ...RECORDED(depth)];
      }
    });

    test('no span is without its parent but the first', () => {
      const ids = new Set(spans.map(({ spanId }) => spanId));
      const orphans = spans.filter(
        ({ parentSpanId }) => parentSpanId === undefined || !ids.has(parentSpanId),
      );
      expect(orphans.map(({ name }) => name)).toEqual(['sallyport send']);
      expect(ids.size).toBe(spans.length);
    });

    test('the handshake is in it, across auth-service, key-service and policy', () => {
      const [session] = spans.filter(({ name }) => name === 'session.open');
      const lines = treeOf(spans, session);
      expect(lines).toContain('gateway gateway.hello');
      expect(lines).toContain('gateway gateway.authenticate');
      const services = new Set(lines.map((line) => line.trim().split(' ')[0]));
      for (const service of ['auth-service', 'gateway', 'key-service']) expect(services).toContain(service);
      // What was recorded of it is followed as far as the message's own records are.
      for (const service of ['auth-service', 'gateway']) {
        expect(lines.map((line) => line.trim())).toContain(`${service} audit.ship`);
      }
      expect(lines.map((line) => line.trim())).toContain('audit-service audit.checkpoint');
    });

    test('says what was decided, by which revision, and why', () => {
      const [decided] = spans.filter(({ name }) => name === 'policy.decide');
      expect(decided?.attributes).toMatchObject({ 'sallyport.decision': 'allow' });
      expect(decided?.attributes['sallyport.reason']).not.toBe('');
      expect(Number(decided?.attributes['sallyport.policy_revision'])).toBeGreaterThan(0);
      const [own] = spans.filter(({ name }) => name === 'gateway.message');
      expect(own?.attributes).toMatchObject({
        'messaging.destination.name': 'orders',
        'sallyport.correlation': sent.correlation,
        'sallyport.session_id': sent.sessionId,
        'sallyport.outcome': 'success',
      });
    });

    test('each record is committed before it is covered, and linked with the making of its checkpoint', () => {
      const checkpoints = spans.filter(({ name }) => name === 'audit.checkpoint');
      expect(checkpoints.length).toBe(spans.filter(({ name }) => name === 'audit.commit').length);
      expect(message().filter(({ name }) => name === 'audit.checkpoint')).toHaveLength(2);
      for (const checkpoint of checkpoints) {
        const commit = spans.find(({ spanId }) => spanId === checkpoint.parentSpanId);
        expect(checkpoint.attributes['sallyport.audit.leaf']).toEqual(
          commit?.attributes['sallyport.audit.leaf'],
        );
        expect(Number(checkpoint.attributes['sallyport.audit.checkpoint_size'])).toBeGreaterThan(
          Number(checkpoint.attributes['sallyport.audit.leaf']),
        );
        const [link] = checkpoint.links;
        // Made by the other replica, which does not know whose leaves it covers.
        if (options.profile === 'cluster' && link === undefined) continue;
        const sign = receiver.spans().find(({ spanId }) => spanId === link?.spanId);
        expect(sign).toMatchObject({ name: 'audit.sign', service: 'audit-service', traceId: link?.traceId });
        expect(sign?.links.map(({ spanId }) => spanId)).toContain(commit?.spanId);
      }
    });

    test('the destination got the context of the span that called it', () => {
      const [route] = spans.filter(({ name }) => name === 'route.send');
      const headers = upstream.requests.at(-1)?.headers;
      expect(headers?.['traceparent']).toBe(`00-${sent.traceId}-${route?.spanId ?? ''}-01`);
    });

    test('times nest: no step begins before its message or ends after it, but for its way to the log', () => {
      const [own] = spans.filter(({ name }) => name === 'gateway.message');
      const steps = spans.filter(({ parentSpanId }) => parentSpanId === own?.spanId);
      for (const step of steps) {
        expect(step.start).toBeGreaterThanOrEqual(own?.start ?? 0n);
        expect(step.end).toBeLessThanOrEqual(own?.end ?? 0n);
      }
      expect(spans.some(({ isError }) => isError)).toBe(false);
    });
  });

  test('--traceparent goes on with a trace of the caller', { timeout: 60_000 }, async () => {
    const parent = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };
    const sent = await send('echo', '{"a":1}', '--traceparent', `00-${parent.traceId}-${parent.spanId}-00`);
    expect(sent.traceId).toBe(parent.traceId);
    const spans = await wholeTrace(parent.traceId);
    expect(spans.find(({ name }) => name === 'sallyport send')?.parentSpanId).toBe(parent.spanId);
  });

  test('a refusal is in its trace, with its reason', async () => {
    const { code } = await runProcess(home, [
      ...['send', 'echo', '{"a":1}', '--as', 'guest', '--json'],
      ...['--traceparent', `00-${'e'.repeat(32)}-${'f'.repeat(16)}-01`],
    ]);
    expect(code).toBe(1);
    const decided = await eventually('the decision', async () =>
      ofTrace('e'.repeat(32)).find(({ name }) => name === 'policy.decide'),
    );
    expect(decided.attributes).toMatchObject({ 'sallyport.decision': 'deny' });
    expect(ofTrace('e'.repeat(32)).some(({ name }) => name === 'route.send')).toBe(false);
  });

  test('a message that is not traced leaves no span', async () => {
    const { code, out } = await runProcess(home, ['send', 'echo', '{"a":1}', '--json']);
    expect(code).toBe(0);
    const { correlation } = JSON.parse(out) as { correlation: string };
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(receiver.spans().filter((span) => Object.values(span.attributes).includes(correlation))).toEqual(
      [],
    );
  });

  describe('metrics of the running system', () => {
    /** Of each process. */
    let pages: readonly string[];
    let shown: string;
    let page: string;
    beforeAll(async () => {
      const ca = await readFile(home.caFile, 'utf8');
      const { processes } = options.profile === 'cluster' ? await system.endpoints() : { processes: [] };
      const ports =
        processes.length === 0 ? [home.ports.https] : processes.map(({ probesPort }) => probesPort);
      pages = await Promise.all(ports.map(async (port) => (await get(port, '/metrics', ca)).body));
      shown = pages.join('\n');
      page = await readFile(join(import.meta.dirname, '..', '..', '..', '..', 'docs', 'metrics.md'), 'utf8');
    });

    test('are those of docs/metrics.md, none more and none less', () => {
      const exposed = exposedFamilies(shown);
      const documented = documentedFamilies(page, options.profile ?? 'embedded');
      const namesOf = (families: ReadonlyMap<string, unknown>): string[] =>
        [...families.keys()].toSorted((a, b) => a.localeCompare(b));
      expect(namesOf(exposed)).toEqual(namesOf(documented));
      expect(exposed.size).toBeGreaterThan(40);
      for (const [name, { type, labels, by }] of exposed) {
        const told = documented.get(name);
        expect([name, type]).toEqual([name, told?.type]);
        // What has no series yet shows neither its labels nor its services.
        for (const label of labels) expect(told?.labels, name).toContain(label);
        for (const service of by) expect(told?.by, name).toContain(service);
      }
    });

    test('tell what has just happened', () => {
      const value = (series: string): number =>
        shown
          .split('\n')
          .filter((line) => line.startsWith(series))
          .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
      expect(value('sallyport_refusals_total{reason="denied"')).toBe(1);
      expect(value('sallyport_decisions_total{decision="deny"')).toBe(1);
      expect(value('sallyport_messages_total{verdict="new"')).toBeGreaterThan(3);
      expect(value('sallyport_guard_seconds_count')).toBeGreaterThan(3);
      expect(value('sallyport_decision_seconds_count')).toBeGreaterThan(3);
      expect(value('sallyport_audit_checkpoint_lag_seconds_count')).toBeGreaterThan(3);
      expect(value('sallyport_audit_spool_bytes{service="gateway"')).toBeGreaterThanOrEqual(0);
      expect(value('sallyport_policy_revision_skew')).toBe(0);
      expect(value('sallyport_spans_total{result="exported",service="gateway"')).toBeGreaterThan(20);
      expect(value('sallyport_spans_total{result="lost",service="gateway"')).toBe(0);
    });

    test('have one help and one type for a name, and names as Prometheus wants them', () => {
      for (const each of pages) {
        const names = Array.from(each.matchAll(/^# TYPE (\S+) (\S+)$/gmu), ([, name = '', type = '']) => ({
          name,
          type,
        }));
        expect(new Set(names.map(({ name }) => name)).size).toBe(names.length);
        for (const { name, type } of names) {
          expect(name).toMatch(/^sallyport_[a-z][a-z0-9_]*$/u);
          expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter']);
          if (type === 'histogram') expect(name).toMatch(/_seconds$/u);
        }
      }
    });
  });
}
