/** The pipeline by itself: an honest client on one side, fakes that write down what happens on the other. */
import { setTimeout as delay } from 'node:timers/promises';
import { parseControl, parseRefusal, type OutgoingMessage } from '@sallyport/channel';
import { randomBytes, secretKey, utf8 } from '@sallyport/crypto';
import { freezePrincipal, type Decision } from '@sallyport/policy-engine';
import { NOW_MS, sessionPair } from './pair.ts';
import { memoryReplayGuard } from '../../src/guard/memory.ts';
import { LiveSession } from '../../src/app/live-session.ts';
import type { PipelineMetrics } from '../../src/app/measure.ts';
import { UNTRACED } from '../../src/app/message-trace.ts';
import { createOutcomes } from '../../src/app/outcomes.ts';
import { createPipeline } from '../../src/app/pipeline.ts';
import type { ReplayGuard, Route, RouteResult } from '../../src/app/ports.ts';
import { UnderWay } from '../../src/app/under-way.ts';

export const ALLOW = { decision: 'allow', reasons: ['role_grants'], requires: [], policyRevision: 7 };
export const DENY = {
  decision: 'deny',
  reasons: ['no roles here'],
  requires: ['role:sender'],
  policyRevision: 7,
};
export const OK: RouteResult = {
  kind: 'response',
  contentType: 'text/plain',
  body: utf8('done'),
  status: '200',
};

type Stage = {
  readonly destinations?: Readonly<Record<string, Route['send']>>;
  readonly guard?: (guard: ReplayGuard) => Partial<ReplayGuard>;
  /** Called before a record is "written"; may wait or throw. */
  readonly recording?: (phase: 'decision' | 'outcome') => Promise<void> | void;
  readonly decide?: (destination: string) => unknown;
  readonly now?: () => number;
  readonly monotonic?: () => number;
  readonly areSessionsLeft?: boolean;
};

/** The pipeline between an honest client and fakes that write down, in one list, what happens in which order. */
export async function stage(options: Stage = {}) {
  const { client, gateway } = sessionPair();
  const log: string[] = [];
  const counted: string[] = [];
  const acknowledged: number[] = [];
  const defects: unknown[] = [];
  const rejected: string[] = [];
  const underWay = new UnderWay({ maxMessages: 10_000, maxBytes: 1e9 });
  const memory = memoryReplayGuard({ clock: { now: () => NOW_MS } });
  const guard: ReplayGuard = { ...memory, ...options.guard?.(memory) };
  const metrics: PipelineMetrics = {
    frame: () => undefined,
    messages: () => undefined,
    decided: () => undefined,
    concluded: () => undefined,
    handshake: () => undefined,
    rejected: (cause) => void rejected.push(cause),
    guardUnavailable: () => void log.push('guard unavailable'),
    guardAnswered: () => undefined,
    refused: () => undefined,
    tracesRefused: () => undefined,
  };
  const record = async (
    phase: 'decision' | 'outcome',
    messages: readonly { seq: bigint; reason?: string; outcome?: string; status?: string }[],
  ): Promise<void> => {
    await options.recording?.(phase);
    for (const { seq, reason, outcome, status } of messages)
      log.push(`${phase} ${seq} ${reason ?? `${outcome ?? ''} ${status ?? ''}`}`);
  };
  const live = new LiveSession({
    session: gateway,
    guard: await guard.attach({
      sessionId: Buffer.from(gateway.sid).toString('hex'),
      notAfterMs: NOW_MS + 3_600_000,
      responseKey: secretKey(randomBytes(32)),
    }),
    digestKey: secretKey(randomBytes(32)),
    principal: freezePrincipal({ id: 'user:alice', tenant: 'default', method: 'certificate' }),
    peerAddress: '192.0.2.1',
    now: () => NOW_MS,
    write(frame) {
      const opened = client.openFrame(frame);
      if (!opened.ok) throw new Error(opened.cause);
      for (const { kind, payload } of opened.messages) {
        if (kind === 'refusal') {
          const refusal = parseRefusal(payload);
          log.push(`refusal ${refusal.ok ? refusal.code : '?'}`);
        } else if (kind === 'response') log.push(`response ${Buffer.from(payload).toString()}`);
        else {
          const parsed = parseControl(payload);
          if (!parsed.ok) throw new Error(parsed.cause);
          const { control } = parsed;
          if (control.kind === 'close') log.push(`close ${control.code}`);
          else if (control.kind === 'ack' && control.receivedThrough > 0)
            acknowledged.push(control.receivedThrough);
        }
      }
    },
    isWritable: () => true,
    underWay,
    onEnd: (_live, cause) => void log.push(`ended ${cause}`),
  });
  const onDefect = (error: unknown): void => void defects.push(error);
  const destinations = options.destinations ?? { orders: () => Promise.resolve(OK) };
  const pipeline = createPipeline({
    guard,
    decide: ({ resource }) => (options.decide?.(resource.name) ?? ALLOW) as Decision,
    policyRevision: () => '7',
    routes: new Map(
      Object.entries(destinations).map(([name, send]) => [
        name,
        {
          isIdempotent: true,
          send: (message) => {
            log.push(`forward ${Buffer.from(message.body).toString()}`);
            return send(message);
          },
        },
      ]),
    ),
    recordDecisions: (_live, decisions) => record('decision', decisions),
    countRefused: (_address, cause) => void counted.push(cause),
    outcomes: createOutcomes({
      guard,
      recordOutcomes: (_live, outcomes) => record('outcome', outcomes),
      metrics,
      onLost: () => void log.push('outcome lost'),
      onDefect,
    }),
    traces: UNTRACED,
    metrics,
    now: options.now ?? (() => NOW_MS),
    monotonic: options.monotonic ?? (() => performance.now()),
    onDefect,
    areSessionsLeft: options.areSessionsLeft ?? false,
    giveUp: new AbortController().signal,
  });
  return {
    log,
    counted,
    acknowledged,
    defects,
    rejected,
    live,
    underWay,
    pipeline,
    send(...messages: OutgoingMessage[]) {
      const sealed = client.sealFrame(messages);
      if (!sealed.ok) throw new Error(sealed.cause);
      // The client's own bound is 512 unacknowledged; the gateway does not rely on it.
      client.acknowledgeThrough(Infinity);
      return { cause: pipeline.onFrame(live, sealed.bytes), bytes: sealed.bytes };
    },
    /** Waits until nothing is under way, and for the turn in which it was told. */
    async settled() {
      await underWay.idle();
      await delay(5);
    },
  };
}

/** Something to wait for that the test lets go. */
export function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { closed: promise, open: resolve };
}
