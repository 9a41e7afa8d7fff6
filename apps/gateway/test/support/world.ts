/** A gateway as it runs, its three services played by stand-ins, and clients that may do anything. */
import { sign, X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { decodeEvent, recordsOf, type AuditEvent, type AuditRecord } from '@sallyport/audit-log';
import {
  ClientHandshake,
  ClientResume,
  FRAME_TYPE,
  parseAlert,
  parseFrame,
  parseRefusal,
  type ClientResumeOptions,
  type OutgoingMessage,
  type Session,
} from '@sallyport/channel';
import { randomBytes, toHex, utf8 } from '@sallyport/crypto';
import { eventsv1 } from '@sallyport/proto';
import { AUDIT_EVENTS_PATTERN, auditAckSubject } from '@sallyport/service/audit';
import { memoryBus, type Bus } from '@sallyport/service/bus';
import { systemClock, type Clock } from '@sallyport/service/clock';
import {
  createDevelopmentCa,
  issue,
  principalSpiffeId,
  serviceSpiffeId,
  type Identity,
  type ServiceName,
} from '@sallyport/service/identity';
import { createReadiness } from '@sallyport/service/lifecycle';
import { createLogger, memoryDestination } from '@sallyport/service/log';
import { createMetrics } from '@sallyport/service/metrics';
import { createTelemetry } from '@sallyport/service/telemetry';
import {
  composeGateway,
  type ComposedGateway,
  type GatewayConfig,
  type Overrides,
  type RouteConfig,
  type SharedGuardFactory,
} from '../../src/compose.ts';
import { openRawCarrier, type RawCarrier } from './raw-client.ts';
import { startStandIns, type StandIns } from './services.ts';

export const TRUST_DOMAIN = 'sallyport.test';

export type World = AsyncDisposable & {
  readonly gateway: ComposedGateway;
  readonly services: StandIns;
  readonly bus: Bus;
  readonly caPem: string;
  readonly readiness: ReturnType<typeof createReadiness>;
  /** Lines of the gateway's log. */
  readonly logged: () => string;
  /** Everything the gateway's spool has shipped so far. */
  events(): readonly AuditEvent[];
  records(): readonly AuditRecord[];
  /** The value of a metric with these labels; 0 when it is not there. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
  /** To the first gateway, or another. */
  carrier(to?: Pick<ComposedGateway, 'port'>): Promise<RawCarrier>;
  /**
   * A further replica with the same services: a spool and signing key of its own. `place`: where an earlier one was, which
   * has stopped; the first gateway's is 1.
   */
  replica(guard?: SharedGuardFactory, place?: number): Promise<ComposedGateway>;
  /** A session for a principal such as `alice`, opened on `carrier`. */
  session(carrier: RawCarrier, user?: string): Promise<RawSession>;
  /** What a principal such as `alice` shows. */
  credential(user: string): Promise<Identity>;
  /** The two ends of a handshake up to ClientAuth. */
  handshake(user?: string): Promise<ClientHandshake>;
};

export type WorldOptions = {
  readonly routes?: Readonly<Record<string, RouteConfig>>;
  readonly overrides?: Overrides;
  readonly config?: Partial<GatewayConfig>;
  readonly clock?: Clock;
  readonly leaseMs?: number;
  /** Of the first gateway. */
  readonly guard?: SharedGuardFactory;
  /** Module of the policy bundle. Default: the one that is built in. */
  readonly policyWasm?: Uint8Array;
  /** Checks of the first gateway that have to fail before the test begins. Default: all have to pass. */
  readonly unready?: readonly string[];
};

export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const clock = options.clock ?? systemClock();
  await using building = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-gateway-'));
  building.defer(() => rm(folder, { recursive: true, force: true }));
  const ca = await createDevelopmentCa({ trustDomain: TRUST_DOMAIN, clock });
  const trust = { caPem: ca.certPem, trustDomain: TRUST_DOMAIN };
  const service = (name: ServiceName): Promise<Identity> =>
    issue({
      ca,
      clock,
      spiffeId: serviceSpiffeId(TRUST_DOMAIN, name),
      keyAlgorithm: 'P-256',
      usages: ['server', 'client'],
      dns: ['localhost'],
      ip: ['127.0.0.1'],
    });
  const channelIdentity = await issue({
    ca,
    clock,
    spiffeId: serviceSpiffeId(TRUST_DOMAIN, 'gateway'),
    keyAlgorithm: 'Ed25519',
    usages: ['server'],
  });
  const log = memoryDestination();
  const logger = createLogger({ service: 'gateway', level: 'debug', destination: log, clock });
  const services = building.use(
    await startStandIns({
      identities: {
        'auth-service': await service('auth-service'),
        'key-service': await service('key-service'),
        'policy-service': await service('policy-service'),
      },
      trust,
      clock,
      log: logger,
      bindings: { 'user:alice': ['sender'], 'user:bob': ['sender'], 'user:guest': ['guest'] },
      leaseMs: options.leaseMs ?? 3_600_000,
      policyWasm: options.policyWasm,
    }),
  );
  const bus = building.use(memoryBus({ clock }));
  const bodies = new Map<string, Uint8Array>();
  await bus.subscribe(AUDIT_EVENTS_PATTERN, {}, async ({ payload }) => {
    const { producer, firstSeq, bodies: batch } = fromBinary(eventsv1.AuditBatchSchema, payload);
    for (const [index, body] of batch.entries()) bodies.set(`${producer} ${firstSeq + BigInt(index)}`, body);
    const throughSeq = firstSeq + BigInt(batch.length) - 1n;
    const ack = create(eventsv1.AuditAckSchema, { producer, throughSeq });
    await bus.publish(auditAckSubject(producer), toBinary(eventsv1.AuditAckSchema, ack));
  });
  const telemetry = building.use(createTelemetry({ service: 'gateway', exporter: { kind: 'none' } }));
  const metrics = createMetrics({ service: 'gateway' });
  const readiness = createReadiness();
  const gatewayIdentity = await service('gateway');
  let replicas = 0;
  const compose = (
    guard: SharedGuardFactory | undefined,
    ownMetrics: typeof metrics,
    place = (replicas += 1),
  ): Promise<ComposedGateway> => {
    return composeGateway(
      {
        host: '127.0.0.1',
        httpsPort: 0,
        channelPort: 0,
        spoolDirectory: join(folder, `spool-${place}`),
        bundleDirectory: join(folder, `bundle-${place}`),
        authAddress: services.auth,
        keyAddress: services.key,
        policyAddress: services.policy,
        routes: options.routes ?? { echo: { kind: 'echo' } },
        ...options.config,
      },
      {
        identity: gatewayIdentity,
        trust,
        bus,
        clock,
        log: logger,
        metrics: ownMetrics,
        tracer: telemetry.tracer,
      },
      { channelIdentity, readiness, ...(guard === undefined ? {} : { guard }) },
      { rejectionIntervalMs: 50, ...options.overrides },
    );
  };
  const gateway = building.use(await compose(options.guard, metrics));
  for (const [name, check] of Object.entries(gateway.readiness)) readiness.add(name, check);
  const { unready = [] } = options;
  await until(async () =>
    (await readiness.report()).checks.every(({ name, ok }) => ok !== unready.includes(name)),
  );

  const events = (): AuditEvent[] =>
    [...bodies.values()].flatMap((body) => {
      const decoded = decodeEvent(body);
      if (!decoded.ok) throw new Error(`an event does not decode: ${decoded.where}`);
      return [decoded.event];
    });
  const gatewayTrust: GatewayTrust = {
    expectedGateway: serviceSpiffeId(TRUST_DOMAIN, 'gateway'),
    verifyGatewayChain: ([der]) => {
      const leaf = new X509Certificate(der ?? new Uint8Array());
      if (!leaf.verify(new X509Certificate(ca.certPem).publicKey)) return undefined;
      return { publicKey: leaf.publicKey, spiffeId: leaf.subjectAltName?.replace(/^URI:/u, '') ?? '' };
    },
    clock: () => clock.now(),
  };
  const credential = (user: string): Promise<Identity> =>
    issue({
      ca,
      clock,
      spiffeId: principalSpiffeId(TRUST_DOMAIN, `user:${user}`),
      keyAlgorithm: 'Ed25519',
      usages: ['client'],
    });
  const handshake = async (user = 'alice'): Promise<ClientHandshake> => {
    const identity = await credential(user);
    return new ClientHandshake({
      credential: {
        method: 'certificate',
        chainDer: [Uint8Array.from(new X509Certificate(identity.certPem).raw)],
        sign: (message) => Uint8Array.from(sign(null, message, identity.key)),
      },
      trustDomain: TRUST_DOMAIN,
      ...gatewayTrust,
    });
  };
  const parts = building.move();
  return {
    gateway,
    services,
    bus,
    caPem: ca.certPem,
    readiness,
    logged: () => log.lines.join(''),
    events,
    records: () => events().flatMap((event) => recordsOf(event)),
    async metric(name, labels = {}) {
      const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
      const line = (await metrics.exposition())
        .split('\n')
        .find((text) => text.startsWith(`sallyport_${name}{`) && wanted.every((part) => text.includes(part)));
      return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ') + 1));
    },
    carrier: (to = gateway) => openRawCarrier(to.port, ca.certPem),
    async replica(guard, place) {
      const other = await compose(guard, createMetrics({ service: 'gateway' }), place);
      parts.use(other);
      await until(async () => {
        const checks = await Promise.allSettled(Object.values(other.readiness).map((check) => check()));
        return checks.every(({ status }) => status === 'fulfilled');
      });
      return other;
    },
    credential,
    handshake,
    async session(carrier, user) {
      const client = await handshake(user);
      carrier.send(client.start());
      const auth = await client.onServerHello(await carrier.next(FRAME_TYPE.serverHello));
      if (!auth.ok) throw new Error(`ServerHello: ${auth.cause}`);
      carrier.send(auth.frame);
      const done = client.onAccept(
        await carrier.next(FRAME_TYPE.accept, FRAME_TYPE.reject, FRAME_TYPE.alert),
      );
      if (!done.ok) throw new Error(`refused: ${done.refusal?.code ?? done.cause}`);
      return rawSession(carrier, done.session, gatewayTrust);
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

export type Answer = { readonly correlation: string; readonly kind: string; readonly text: string };

export type RawSession = {
  readonly channel: Session;
  readonly id: string;
  /** A frame with these messages, not sent. */
  seal(...messages: OutgoingMessage[]): Uint8Array;
  /** The messages of the next frame for this session: payloads as text, refusals as their code. */
  answers(): Promise<readonly Answer[]>;
  /** The same of a frame that was taken from the carrier. */
  read(frame: Uint8Array): readonly Answer[];
  /** The session in its next epoch, on another carrier; rejects with the alert's code. Not heard of by the gateway yet. */
  resume(carrier: RawCarrier): Promise<ResumingSession>;
  /** Sends one request to `echo` and waits until it came back: the session works. */
  ping(): Promise<void>;
};

export type ResumingSession = RawSession & {
  /** Sends the first frame, and waits until the gateway was heard; rejects with the alert's code. */
  attach(...messages: OutgoingMessage[]): Promise<readonly Answer[]>;
};

type GatewayTrust = Pick<ClientResumeOptions, 'expectedGateway' | 'verifyGatewayChain' | 'clock'>;

/** Of an alert. */
function codeOf(frame: Uint8Array): string | undefined {
  const outer = parseFrame(frame);
  if (!outer.ok || outer.type !== FRAME_TYPE.alert) return undefined;
  const alert = parseAlert(outer.body);
  return alert.ok ? alert.code : 'unreadable';
}

function rawSession(
  carrier: RawCarrier,
  channel: Session,
  trust: GatewayTrust,
  receivedBefore = 0,
): RawSession {
  let received = receivedBefore;
  const id = toHex(channel.sid);
  const seal = (...messages: OutgoingMessage[]): Uint8Array => {
    const sealed = channel.sealFrame(messages);
    if (!sealed.ok) throw new Error(sealed.cause);
    return sealed.bytes;
  };
  const answers = async (): Promise<readonly Answer[]> => read(await carrier.nextFor(channel.sid));
  const read = (frame: Uint8Array): readonly Answer[] => {
    const opened = channel.openFrame(frame);
    if (!opened.ok) throw new Error(opened.cause);
    received = Math.max(received, opened.firstSequence + opened.messages.length - 1);
    for (const { kind } of opened.messages) if (kind === 'response') channel.acknowledgeThrough(Infinity);
    return opened.messages.map(({ kind, correlation, payload }) => {
      const refusal = kind === 'refusal' ? parseRefusal(payload) : undefined;
      const text = refusal?.ok === true ? refusal.code : new TextDecoder().decode(payload);
      return { correlation: toHex(correlation), kind, text };
    });
  };
  return {
    channel,
    id,
    seal,
    answers,
    read,
    async resume(to) {
      const resume = new ClientResume({ session: channel, receivedThrough: received, ...trust });
      to.send(resume.start());
      const answer = await to.next(FRAME_TYPE.resumeAnswer, FRAME_TYPE.alert);
      const done = await resume.onResumeAnswer(answer);
      if (!done.ok) throw new Error(done.alert?.code ?? done.cause);
      const next = rawSession(to, done.session, trust, received);
      return {
        ...next,
        async attach(...messages) {
          to.send(next.seal(done.finished, ...messages));
          const frame = await to.next(FRAME_TYPE.messages, FRAME_TYPE.alert);
          const code = codeOf(frame);
          if (code !== undefined) throw new Error(code);
          return next.read(frame);
        },
      };
    },
    async ping() {
      const message = request('echo', `ping ${id}`);
      carrier.send(seal(message));
      for (;;) {
        const found = (await answers()).find((each) => each.correlation === toHex(message.correlation));
        if (found === undefined) continue;
        if (found.kind !== 'response' || found.text !== `ping ${id}`) throw new Error(JSON.stringify(found));
        return;
      }
    },
  };
}

export function request(
  destination: string,
  text: string,
  more: Partial<OutgoingMessage> = {},
): OutgoingMessage {
  return {
    kind: 'request',
    correlation: randomBytes(16),
    destination,
    contentType: 'text/plain',
    trace: '',
    payload: utf8(text),
    ...more,
  };
}

/** Waits for something to become true; fails after `ms`. */
export async function until(done: () => boolean | Promise<boolean>, ms = 5_000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await done())) {
    if (performance.now() > end) throw new Error('did not happen in time');
    await delay(10);
  }
}
