/** A guarded route around a fake upstream, with everything that it needs in memory. */
import { randomBytes, toHex } from '@sallyport/crypto';
import {
  isResponse,
  type JsonObject,
  type Message,
  type Request,
  type RequestId,
  type Response,
  type Revision,
} from '@sallyport/model-context';
import type { Decision } from '@sallyport/policy-engine';
import { SallyportError } from '@sallyport/service/errors';
import {
  guardedServer,
  memoryPins,
  type CallDecision,
  type CallOutcome,
  type GuardedPorts,
  type MemoryPins,
  type Question,
  type RecordedCall,
} from '../../../src/door/guarded/index.ts';
import { sealedHandles, type HandlePorts } from '../../../src/door/handles.ts';
import type {
  Caller,
  Exchange,
  Handles,
  MessageCall,
  ModelContextServer,
  ServerEvent,
} from '../../../src/door/ports.ts';
import { fakeUpstream, type FakeUpstream } from './upstream.ts';

export const STATELESS: Revision = '2026-07-28';
export const SESSION: Revision = '2025-11-25';

export const caller = (id = 'user:alice', more: Partial<Caller> & { tenant?: string } = {}): Caller => {
  const { tenant = 'default', ...rest } = more;
  return {
    principal: Object.freeze({ id, tenant, method: 'oauth' }),
    sessionId: toHex(new TextEncoder().encode(id.padEnd(16).slice(0, 16))),
    clientId: 'client-1',
    scopes: new Set(['context:read', 'context:call']),
    notAfterMs: Infinity,
    peerAddress: '127.0.0.1',
    ...rest,
  };
};

/** What a key-service that all replicas meet does with data keys. */
export function fakeKeys() {
  const wrappedKeys = new Map<string, Uint8Array>();
  const state = { isAway: false, calls: [] as string[] };
  const away = (): void => {
    if (state.isAway) throw new SallyportError('unavailable', 'key-service is away');
  };
  const keys = {
    generateDataKey: async () => {
      state.calls.push('generate');
      away();
      const [plaintext, wrapped] = [randomBytes(32), randomBytes(80)];
      wrappedKeys.set(toHex(wrapped), plaintext.slice());
      return { dataKeyId: 'x', plaintext, wrapped };
    },
    decrypt: async ({ items = [] }: { items?: { ciphertext?: Uint8Array }[] }) => {
      state.calls.push('decrypt');
      away();
      const key = wrappedKeys.get(toHex(items[0]?.ciphertext ?? new Uint8Array()));
      if (key === undefined) throw new SallyportError('decryption_failed', 'not ours');
      return { plaintexts: [key.slice()] };
    },
  };
  return { keys: keys as unknown as HandlePorts['keys'], state };
}

export type Recorded =
  | ({ readonly phase: 'decision' } & RecordedCall & CallDecision)
  | ({ readonly phase: 'outcome' } & RecordedCall & CallOutcome);

export type Rig = {
  readonly server: ModelContextServer;
  readonly upstream: FakeUpstream;
  readonly records: Recorded[];
  readonly pins: MemoryPins;
  readonly handles: Handles;
  readonly problems: { readonly what: string; readonly fields: Readonly<Record<string, unknown>> }[];
  readonly counted: Map<string, number>;
  /** Milliseconds that passed. */
  readonly clock: { nowMs: number };
  /** Of the next record of that phase: it fails with this. */
  readonly failing: { decision?: Error; outcome?: Error };
  /** The order in which things happened: `decision`, `sent`, `outcome`. */
  readonly order: string[];
};

export type RigOptions = {
  readonly route?: string;
  readonly upstream?: FakeUpstream;
  readonly allows?: (question: Question) => boolean;
  readonly decide?: (question: Question) => Decision;
  readonly pinning?: 'first-use' | 'approve';
  readonly handles?: Handles;
};

const REVISION = 7;

export const decisionOf = (isAllowed: boolean): Decision => ({
  decision: isAllowed ? 'allow' : 'deny',
  reasons: [isAllowed ? 'granted' : 'no_permission'],
  requires: isAllowed ? [] : ['role:context-user'],
  obligations: [],
  roles: [],
  effectiveRoles: [],
  policyRevision: REVISION,
  policyDigest: '',
  cached: false,
});

export function rig(options: RigOptions = {}): Rig {
  const { route = 'everything', allows = () => true, pinning = 'first-use' } = options;
  const upstream = options.upstream ?? fakeUpstream();
  const clock = { nowMs: 1_000_000 };
  const handles =
    options.handles ??
    sealedHandles({ keys: fakeKeys().keys, now: () => clock.nowMs, monotonic: () => clock.nowMs });
  const records: Recorded[] = [];
  const order: string[] = [];
  const problems: { what: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const counted = new Map<string, number>();
  const count = (name: string, by = 1): void => void counted.set(name, (counted.get(name) ?? 0) + by);
  const failing: { decision?: Error; outcome?: Error } = {};
  const pins = memoryPins(pinning);
  let seq = 0n;
  const durable = async (phase: 'decision' | 'outcome', record: () => void): Promise<void> => {
    await new Promise<void>((resolve) => setImmediate(resolve));
    const error = failing[phase];
    delete failing[phase];
    if (error !== undefined) throw error;
    record();
    order.push(phase);
  };
  const ports: GuardedPorts = {
    route,
    decide: options.decide ?? ((question) => decisionOf(allows(question))),
    policyRevision: () => String(REVISION),
    records: {
      decision: (call, decision) =>
        durable('decision', () => records.push({ phase: 'decision', ...call, ...decision })),
      outcome: (call, outcome) =>
        durable('outcome', () => records.push({ phase: 'outcome', ...call, ...outcome })),
      nextSeq: () => (seq += 1n),
    },
    pins,
    handles,
    metrics: {
      decided: (decision) => count(`decided ${decision}`),
      concluded: (outcome) => count(`concluded ${outcome}`),
      hidden: (why, by) => count(`hidden ${why}`, by),
      refused: (reason) => count(`refused ${reason}`),
      violation: (kind) => count(`violation ${kind}`),
    },
    monotonic: () => clock.nowMs,
    onProblem: (what, fields) => void problems.push({ what, fields }),
  };
  const noting: ModelContextServer = {
    send: (call) => (order.push('sent'), upstream.send(call)),
    listen: (call) => (order.push('sent'), upstream.listen(call)),
    end: (call) => (order.push('sent'), upstream.end(call)),
  };
  const server = guardedServer(noting, ports);
  return { server, upstream, records, pins, handles, problems, counted, clock, failing, order };
}

export const request = (method: string, params?: JsonObject, id: RequestId = 1): Request => ({
  jsonrpc: '2.0',
  id,
  method,
  ...(params === undefined ? {} : { params }),
});

export const callOf = (message: Message, more: Partial<MessageCall> = {}): MessageCall => ({
  caller: caller(),
  revision: STATELESS,
  signal: new AbortController().signal,
  message,
  ...more,
});

export async function eventsOf(exchange: Exchange): Promise<ServerEvent[]> {
  const events: ServerEvent[] = [];
  for await (const event of exchange.messages) events.push(event);
  return events;
}

export type Answer = {
  readonly status: number;
  readonly sessionId?: string;
  readonly events: ServerEvent[];
  readonly response: Response;
};

/** Sends, reads everything, and has the last response. */
export async function ask(server: ModelContextServer, call: MessageCall): Promise<Answer> {
  const exchange = await server.send(call);
  const events = await eventsOf(exchange);
  const response = events
    .flatMap(({ message }) => (message !== undefined && isResponse(message) ? [message] : []))
    .at(-1);
  const { status, sessionId } = exchange;
  return {
    status,
    events,
    ...(sessionId === undefined ? {} : { sessionId }),
    response: response ?? { jsonrpc: '2.0', id: null, error: { code: 0, message: 'there was no response' } },
  };
}

export const resultOf = ({ response }: Answer): JsonObject => ('result' in response ? response.result : {});
/** A handle in a result. */
export function textOf(value: unknown): string {
  if (typeof value !== 'string') throw new Error(`not text: ${JSON.stringify(value)}`);
  return value;
}
export const errorOf = ({ response }: Answer) => ('error' in response ? response.error : undefined);

/** Opens a session and has its sealed id. */
export async function openSession(
  server: ModelContextServer,
  more: Partial<MessageCall> = {},
): Promise<string> {
  const { sessionId } = await ask(server, callOf(request('initialize', {}), { revision: SESSION, ...more }));
  if (sessionId === undefined) throw new Error('no session was opened');
  return sessionId;
}
