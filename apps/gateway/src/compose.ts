/** Builds the gateway from its configuration, in order, and takes it down in reverse. */
import { randomInt } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BundleHolder, fileLastGoodStore, PolicyEngine } from '@sallyport/policy-engine';
import { authv1, keyv1, policyv1 } from '@sallyport/proto';
import { startAuditTrail } from '@sallyport/service/audit';
import { feedMeter } from '@sallyport/service/feed';
import { grpcClient } from '@sallyport/service/grpc';
import type { Identity } from '@sallyport/service/identity';
import type { Readiness } from '@sallyport/service/lifecycle';
import type { Metrics } from '@sallyport/service/metrics';
import { startProbes, type Probes } from '@sallyport/service/process';
import type { ComposedService, ServiceRuntime } from '@sallyport/service/runtime';
import { pipelineMetrics } from './app/measure.ts';
import { createMessageTraces } from './app/message-trace.ts';
import { createOutcomes } from './app/outcomes.ts';
import { createPipeline } from './app/pipeline.ts';
import type { ReplayGuard } from './app/ports.ts';
import { revokedSessions } from './app/revoked-sessions.ts';
import { startRejections } from './app/rejections.ts';
import { createSessions } from './app/sessions.ts';
import type { ShareLimits } from './app/shares.ts';
import { UnderWay } from './app/under-way.ts';
import { gatewayRecords } from './clients/audit.ts';
import { followBundleKeys } from './clients/bundle-keys.ts';
import { checkPolicy, denyWhenStale } from './clients/policy-age.ts';
import { startPolicyFeed } from './clients/policy-feed.ts';
import { toolPins } from './clients/tool-pins.ts';
import { startToolReports } from './clients/tool-reports.ts';
import { admitWhileFollowed, followRevocations } from './clients/revocations.ts';
import { channelDestinations } from './door/channel/destinations.ts';
import { openDoor, openDoorServers } from './door/compose.ts';
import { deniedAtTheDoors } from './closed-doors.ts';
import { composeSessions } from './compose-sessions.ts';
import { configProblems, DEFAULT_POLICY_MAX_AGE_MS, type GatewayConfig } from './config.ts';
import { memoryReplayGuard } from './guard/memory.ts';
import { memoryProofGuard } from './guard/proofs.ts';
import type { SharedGuardFactory } from './guard/redis.ts';
import { buildRoutes } from './routes/build.ts';
import { tokenDestination } from './routes/token.ts';
import { routeMeters } from './routes/measure.ts';

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
const REJECTION_INTERVAL_MS = 1_000;
const MAX_UNDER_WAY = { maxMessages: 262_144, maxBytes: 512 * 1024 * 1024 } as const;
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
  const engine = new PolicyEngine({ monotonicMs: monotonic, mustDeny: deniedAtTheDoors(config) });
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
  building.use(revoked.onRevoked((sessionId) => modelContext.endSession(sessionId)));
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

  const channel = building.use(
    await composeSessions({
      ...{ config, runtime, channelIdentity, auth, keys, holder, decide, guard, shared, pipeline },
      ...{ sessions, underWay, rejections, records, revoked, giveUp, onDefect },
      policyMaxAgeMs: maxAgeMs,
      metrics: measure,
      attachmentCheckMs: overrides.attachmentCheckMs,
      shareLimits: overrides.shareLimits,
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
  // Disposed first.
  building.defer(() => channel.drain());

  const parts = building.move();
  return {
    name: 'gateway',
    port: channel.port,
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
