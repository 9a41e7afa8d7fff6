/** Builds the gateway from its configuration, in order, and takes it down in reverse. */
import { randomInt, X509Certificate } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createGatewayIdentity, type GatewayIdentity } from '@sallyport/channel';
import { BundleHolder, fileLastGoodStore, PolicyEngine } from '@sallyport/policy-engine';
import { authv1, keyv1, policyv1 } from '@sallyport/proto';
import { startAuditTrail } from '@sallyport/service/audit';
import { feedMeter } from '@sallyport/service/feed';
import { grpcClient, startGrpcServer } from '@sallyport/service/grpc';
import type { Identity } from '@sallyport/service/identity';
import type { Readiness } from '@sallyport/service/lifecycle';
import type { Metrics } from '@sallyport/service/metrics';
import { startProbes, type Probes } from '@sallyport/service/process';
import type { ComposedService, ServiceRuntime } from '@sallyport/service/runtime';
import { watchAttachments } from './app/attachments.ts';
import { createCarrier, type Carrier } from './app/carrier.ts';
import { createHandshakeTraces } from './app/handshake-trace.ts';
import type { HalfOpen } from './app/half-open.ts';
import { isLeft, leaveWith } from './app/leaving.ts';
import { startLeases } from './app/leases.ts';
import { pipelineMetrics } from './app/measure.ts';
import { createMessageTraces } from './app/message-trace.ts';
import { beginSession } from './app/open-session.ts';
import { createOutcomes } from './app/outcomes.ts';
import { createPipeline } from './app/pipeline.ts';
import type { ReplayGuard } from './app/ports.ts';
import { beginResume } from './app/resume-session.ts';
import { revokedSessions } from './app/revoked-sessions.ts';
import { startRejections } from './app/rejections.ts';
import { createSessionEnds } from './app/session-ends.ts';
import { createSessions } from './app/sessions.ts';
import { createShares, type ShareLimits } from './app/shares.ts';
import { UnderWay } from './app/under-way.ts';
import { within } from './app/within.ts';
import { gatewayRecords } from './clients/audit.ts';
import { followBundleKeys } from './clients/bundle-keys.ts';
import { checkPolicy, denyWhenStale } from './clients/policy-age.ts';
import { startPolicyFeed } from './clients/policy-feed.ts';
import { toolPins } from './clients/tool-pins.ts';
import { startToolReports } from './clients/tool-reports.ts';
import { admitWhileFollowed, followRevocations } from './clients/revocations.ts';
import { authClient, bytesOf, keyClient } from './clients/services.ts';
import { sessionRecords } from './clients/session-records.ts';
import { channelDestinations } from './door/channel/destinations.ts';
import { openDoor, openDoorServers } from './door/compose.ts';
import { configProblems, DEFAULT_POLICY_MAX_AGE_MS, type GatewayConfig } from './config.ts';
import { memoryReplayGuard } from './guard/memory.ts';
import { memoryProofGuard } from './guard/proofs.ts';
import type { SharedGuardFactory } from './guard/redis.ts';
import { buildRoutes } from './routes/build.ts';
import { tokenDestination } from './routes/token.ts';
import { routeMeters } from './routes/measure.ts';
import { routes } from './rpc/routes.ts';

export type { GatewayConfig, RouteConfig } from './config.ts';
export { redisReplayGuard, type SharedGuard, type SharedGuardFactory } from './guard/redis.ts';
export { REDIS_ACL, SENTINEL_ACL } from './guard/redis-acl.ts';
export { redisTargetProblems, type RedisNode, type RedisTarget } from './guard/redis-target.ts';

export type GatewayParts = {
  /** What the gateway shows in the channel's handshake. */
  readonly channelIdentity: Identity;
  /** What `/readyz` reports; the process adds every service's checks to it. */
  readonly readiness: Pick<Readiness, 'report'>;
  /** What `/metrics` shows, where the process hosts more than the gateway. */
  readonly metrics?: Pick<Metrics, 'exposition'>;
  /** What already listens on `httpsPort`, where the process has it from its first moment on. */
  readonly probes?: Pick<Probes, 'port' | 'handle'>;
  /** The cluster profile's: `redisReplayGuard(target)`. Absent, this process keeps its replay state to itself. */
  readonly guard?: SharedGuardFactory;
};

/** The only seam for tests. */
export type Overrides = {
  readonly guard?: ReplayGuard;
  /** How often counts of refused frames are recorded. Default 1,000. */
  readonly rejectionIntervalMs?: number;
  /** How often sessions that send nothing are looked after. Default 10,000. */
  readonly attachmentCheckMs?: number;
  /** What one principal may hold. */
  readonly shareLimits?: ShareLimits;
};

export type ComposedGateway = ComposedService & { readonly httpsPort: number };

/** Below the 5 s of a handshake (docs/protocol.md section 4): its client hears that a service is away, and when to come again. */
const CALL_DEADLINE_MS = 4_000;
const LEASE_MS = 60 * 60_000;
const LEASE_CHECK_MS = 60_000;
const ATTACHMENT_CHECK_MS = 10_000;
const REJECTION_INTERVAL_MS = 1_000;
const DELEGATION_MS = 24 * 60 * 60_000;
const MAX_HALF_OPEN = 256;
const MAX_UNDER_WAY = { maxMessages: 262_144, maxBytes: 512 * 1024 * 1024 } as const;
/** Of one principal, in all its sessions. */
const SHARE_LIMITS = { maxSessions: 1_024, maxMessages: 65_536, maxBytes: 128 * 1024 * 1024 } as const;
/** For answers of routes at shutdown, and then for the record of what they did not answer. */
const DRAIN_MS = 5_000;
const GIVE_UP_MS = 1_000;
// Twice the largest frame: one that is a little too large is refused by itself, and more ends its carrier.
const MAX_MESSAGE_BYTES = 2 * 1024 * 1024;
/** One carries any number of sessions. */
const MAX_CARRIERS_PER_CONNECTION = 16;
const READY_WITHIN_MS = 900;
/** For the jitter of routes. */
const RANDOM_STEPS = 2 ** 32;

/**
 * Starts the gateway and listens on both doors. Services that are not there yet are waited for: until a policy bundle has
 * come everything is denied, and readiness says so. Throws `TypeError` for a configuration that cannot be right (all of it
 * in one message), what keeps a listener from its port, and `AuditLogError` for
 * a damaged spool.
 */
export async function composeGateway(
  config: GatewayConfig,
  runtime: ServiceRuntime,
  { channelIdentity, readiness, metrics: shown, probes, guard: sharedGuard }: GatewayParts,
  overrides: Overrides = {},
): Promise<ComposedGateway> {
  const problems = configProblems(config);
  if (problems.length > 0) throw new TypeError(`the gateway's configuration: ${problems.join('; ')}`);
  const { identity, trust, bus, clock, log, metrics, tracer } = runtime;
  const now = (): number => clock.now();
  const monotonic = (): number => clock.monotonic();
  await using building = new AsyncDisposableStack();

  const trail = building.use(
    await startAuditTrail({
      serviceId: identity.spiffeId,
      directory: config.spoolDirectory,
      ...(config.spoolMaxBytes === undefined ? {} : { maxBytes: config.spoolMaxBytes }),
      bus,
      clock,
      log,
      tracer,
      metrics,
    }),
  );
  const records = gatewayRecords(trail, identity.spiffeId, now);
  const call = { identity, trust, deadlineMs: CALL_DEADLINE_MS, tracer };
  const auth = building.use(
    grpcClient(authv1.AuthService, { ...call, address: config.authAddress, expectedServer: 'auth-service' }),
  );
  const keys = building.use(
    grpcClient(keyv1.KeyService, { ...call, address: config.keyAddress, expectedServer: 'key-service' }),
  );
  const policy = building.use(
    grpcClient(policyv1.PolicyService, {
      ...call,
      address: config.policyAddress,
      expectedServer: 'policy-service',
    }),
  );

  const meter = feedMeter(metrics);
  const bundleKeys = building.use(await followBundleKeys({ directory: keys, bus, clock, log, meter }));
  const engine = new PolicyEngine({ monotonicMs: monotonic });
  await mkdir(config.bundleDirectory, { recursive: true, mode: 0o700 });
  const holder = new BundleHolder({
    engine,
    keys: bundleKeys.keys,
    store: fileLastGoodStore(join(config.bundleDirectory, 'last-good.tar.gz')),
    monotonicMs: monotonic,
    epochMs: now,
  });
  const instance = trail.spool.producer;
  building.use(await startPolicyFeed({ policy, holder, bus, clock, log, meter, instance }));
  const maxAgeMs = config.policy?.maxAgeMs ?? DEFAULT_POLICY_MAX_AGE_MS;
  metrics.gauge({
    name: 'policy_bundle_age_seconds',
    help: 'Since the bundle in force was last known to be the newest',
    collect: () => (holder.current?.ageMs ?? 0) / 1_000,
  });

  const sessions = createSessions();
  const underWay = new UnderWay(MAX_UNDER_WAY);
  const shared = sharedGuard === undefined ? undefined : building.use(await sharedGuard({ clock, log }));
  const guard = overrides.guard ?? shared?.guard ?? memoryReplayGuard({ clock });
  const proofs = shared?.proofs ?? memoryProofGuard({ clock });
  const onDefect = (error: unknown): void => log.error('a defect of the gateway', { error });
  const measure = pipelineMetrics(metrics, {
    sessions: () => sessions.size,
    inFlight: () => underWay.messages,
    policyRevision: () => holder.revision,
  });
  const rejections = building.use(
    startRejections({
      record: (entry) => records.rejection(entry),
      metrics: measure,
      now,
      intervalMs: overrides.rejectionIntervalMs ?? REJECTION_INTERVAL_MS,
      onProblem: (error) => log.error('rejected frames could not be recorded', { error }),
    }),
  );
  const decide = denyWhenStale(engine.decide.bind(engine), () => holder.current, maxAgeMs);
  const reports = building.use(
    startToolReports({
      ...{ policy, instance, log },
      sleep: (ms, signal) => delay(ms, undefined, { signal, ref: false }).catch(() => undefined),
    }),
  );
  const pins = toolPins({ holder, tell: reports.tell });
  const doorServers =
    config.door === undefined
      ? undefined
      : building.use(
          await openDoorServers(config.door, {
            ...{ runtime, decide, keys, records: records.calls, pins },
            policyRevision: () => String(holder.revision),
            bundleDirectory: config.bundleDirectory,
          }),
        );
  const tokens = tokenDestination(config.door, {
    auth,
    now,
    origin: () => config.door?.publicOrigin ?? `https://localhost:${http.port}`,
  });
  const modelContext = building.use(channelDestinations(doorServers));
  const destinations = building.use(
    buildRoutes(config.routes, {
      ...{ log, monotonic, meters: routeMeters(metrics) },
      random: () => randomInt(RANDOM_STEPS) / RANDOM_STEPS,
      builtIn: { ...tokens, ...modelContext.byName },
    }),
  );
  const outcomes = createOutcomes({
    guard,
    recordOutcomes: records.outcomes,
    metrics: measure,
    onLost: (error, count) => log.error('outcomes could not be recorded', { error, count }),
    onDefect,
  });
  const giveUp = new AbortController();
  const revoked = revokedSessions();
  const revocations = building.use(
    await followRevocations({
      ...{ auth, bus, clock, log, meter, sessions, guard, revoked },
      ...config.revocations,
    }),
  );
  const pipeline = createPipeline({
    guard: {
      admit: admitWhileFollowed(guard, revocations),
      conclude: (session, results) => guard.conclude(session, results),
      response: (session, correlation) => guard.response(session, correlation),
    },
    decide,
    policyRevision: () => String(holder.revision),
    routes: destinations.byName,
    recordDecisions: records.decisions,
    outcomes,
    traces: createMessageTraces({
      tracer,
      monotonic,
      random: Math.random,
      onRefused: measure.tracesRefused,
    }),
    metrics: measure,
    now,
    monotonic,
    countRefused: rejections.count,
    onDefect,
    areSessionsLeft: shared !== undefined,
    giveUp: giveUp.signal,
  });

  const keyCalls = keyClient(keys);
  const ends = createSessionEnds({
    closeSession: async (id, cause) => void (await auth.closeSession({ sessionId: bytesOf(id), cause })),
    destroyKeys: async (ids) => void (await keys.destroySessionKeys({ sessionIds: ids.map(bytesOf) })),
    onProblem: (error) => log.warn('a session end could not be told', { error }),
  });
  const closing = new Set<Promise<unknown>>();
  const inBackground = (work: Promise<unknown>): void => {
    const task: Promise<unknown> = work.catch(onDefect).finally(() => closing.delete(task));
    closing.add(task);
  };
  const gatewayIdentity = renewedIdentity(channelIdentity, trust.trustDomain, now);
  const halfOpen: HalfOpen = { count: 0, max: MAX_HALF_OPEN };
  const sealing = sessionRecords(keys, monotonic);
  const common = {
    identity: gatewayIdentity,
    now,
    createSessionKey: keyCalls.createSessionKey,
    decide,
    shares: createShares(overrides.shareLimits ?? SHARE_LIMITS, underWay),
  };
  const opening = {
    ...common,
    ...authClient(auth),
    guard,
    leave:
      shared === undefined
        ? () => Promise.resolve()
        : leaveWith({
            store: shared.store,
            seal: sealing.seal,
            onProblem: (error) => log.warn('a session could not be left for other gateways', { error }),
          }),
    recordOpening: records.opening,
    discard: ends.add,
    onProblem: (error: unknown) => log.warn('a session could not be opened', { error }),
  };
  const resuming = shared && {
    ...common,
    store: shared.store,
    records: sealing,
    recordResume: records.resume,
    isRevoked: revoked.has,
    checkPolicy: () => checkPolicy(holder.current, maxAgeMs),
    onProblem: (error: unknown) => log.warn('a session could not be resumed', { error }),
  };
  building.use(
    startLeases(
      {
        sessions,
        renew: keyCalls.renew,
        now,
        leaseMs: LEASE_MS,
        onProblem: (error) => log.warn('session-key leases could not be renewed', { error }),
      },
      LEASE_CHECK_MS,
    ),
  );
  if (shared !== undefined) {
    const { store } = shared;
    const onProblem = (error: unknown): void => log.debug('attachments could not be checked', { error });
    building.use(
      watchAttachments({ sessions, store, onProblem }, overrides.attachmentCheckMs ?? ATTACHMENT_CHECK_MS),
    );
  }
  const traceHandshake = createHandshakeTraces(tracer, monotonic);
  const carriers = new Set<Carrier>();
  const server = building.use(
    await startGrpcServer({
      identity,
      trust,
      host: config.host,
      port: config.channelPort,
      clientCertificate: 'none',
      services: [
        routes((connection, traceparent) => {
          const carrier = createCarrier(
            {
              beginSession: (peer) => traceHandshake(beginSession(opening, peer), traceparent),
              ...(resuming && { beginResume: (peer) => beginResume(resuming, peer) }),
              pipeline,
              sessions,
              rejections,
              metrics: measure,
              halfOpen,
              now,
              onSessionEnd: (live, cause) => {
                // Others may take it on: its keys and its ledger stay, until they end by themselves.
                if (shared !== undefined && isLeft(cause)) return inBackground(live.underWay.idle());
                ends.add(live.id, cause);
                // The ledger of what is still under way is needed until its outcome is recorded.
                inBackground(live.underWay.idle().then(() => guard.close(live.guard)));
              },
              onDefect,
            },
            connection,
          );
          carriers.add(carrier);
          return { ...carrier, onClose: () => (carriers.delete(carrier), carrier.onClose()) };
        }),
      ],
      clock,
      log,
      metrics,
      tracer,
      limits: {
        maxMessageBytes: MAX_MESSAGE_BYTES,
        maxConcurrentStreams: MAX_CARRIERS_PER_CONNECTION,
        maxConnections: 4096,
      },
    }),
  );

  const http =
    probes ??
    building.use(
      await startProbes({
        host: config.host,
        port: config.httpsPort,
        identity,
        readiness,
        metrics: { ...metrics, ...shown },
      }),
    );
  const door =
    config.door === undefined || doorServers === undefined
      ? undefined
      : building.use(
          await openDoor(config.door, {
            ...{ runtime, probes: http, servers: doorServers, proofs, keys, meter, revoked, revocations },
            recordRejection: (entry) => records.rejection(entry),
            ...(overrides.rejectionIntervalMs === undefined
              ? {}
              : { rejectionIntervalMs: overrides.rejectionIntervalMs }),
          }),
        );
  // Disposed first: no new work, then what is under way ends, then the sessions and their carriers do.
  building.defer(async () => {
    server.setServing(false);
    pipeline.stop();
    halfOpen.max = 0;
    await within(DRAIN_MS, underWay.idle());
    giveUp.abort();
    await within(GIVE_UP_MS, underWay.idle());
    sessions.endAll('unavailable', 'gateway_stopping');
    for (const carrier of carriers) carrier.end();
    await Promise.all(closing);
    await within(DRAIN_MS, ends.idle());
  });

  const parts = building.move();
  return {
    name: 'gateway',
    port: server.port,
    httpsPort: http.port,
    readiness: {
      policy: async () => checkPolicy(holder.current, maxAgeMs),
      revocations: () => revocations.check(),
      // One destination in trouble is no reason to send nobody to this gateway.
      routes: async () =>
        destinations
          .troubled()
          .map(({ destination, state }) => `${destination}: circuit ${state.replace('_', '-')}`)
          .join(', ') || undefined,
      audit: () => trail.ready(),
      ...(door === undefined
        ? {}
        : {
            door: async () => [door.note(), doorServers?.trouble()].filter(Boolean).join(', ') || undefined,
          }),
      ...(shared === undefined ? {} : { guard: () => shared.ready() }),
      auth: () => auth.waitForReady(READY_WITHIN_MS),
      key: () => keys.waitForReady(READY_WITHIN_MS),
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** The process's signing key, vouched for anew long before its delegation ends. */
function renewedIdentity(identity: Identity, trustDomain: string, now: () => number): () => GatewayIdentity {
  const certificate = new X509Certificate(identity.certPem);
  const make = (): GatewayIdentity =>
    createGatewayIdentity({
      chainDer: [certificate.raw],
      trustDomain,
      certificateKey: identity.key,
      notAfterMs: Math.min(now() + DELEGATION_MS, certificate.validToDate.getTime()),
    });
  let current = make();
  let renewAtMs = now() + DELEGATION_MS / 2;
  return () => {
    if (now() > renewAtMs) {
      current = make();
      renewAtMs = now() + DELEGATION_MS / 2;
    }
    return current;
  };
}
