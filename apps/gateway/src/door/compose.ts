/**
 * Builds the Model Context Protocol door of a gateway, in order, and takes it down in reverse: first the servers, which both
 * faces have, then, once the port listens, the HTTPS face.
 */
import { join } from 'node:path';
import { randomBytes } from '@sallyport/crypto';
import type { keyv1 } from '@sallyport/proto';
import type { FeedMeter, Follower } from '@sallyport/service/feed';
import type { ServiceCalls } from '@sallyport/service/grpc';
import type { Probes } from '@sallyport/service/process';
import type { ServiceRuntime } from '@sallyport/service/runtime';
import type { Route } from '../app/ports.ts';
import { startRejections, type RejectionEntry } from '../app/rejections.ts';
import type { RevokedSessions } from '../app/revoked-sessions.ts';
import { mayMissRevocations } from '../clients/revocations.ts';
import type { Serving } from './channel/destinations.ts';
import { channelUpstream } from './channel/upstream.ts';
import { DOOR_BODY_BYTES, DOOR_CONCURRENT, type DoorConfig } from './config.ts';
import { guardedMetrics, type GuardedPorts } from './guarded/index.ts';
import { sealedHandles } from './handles.ts';
import { forwarder } from './http/forward.ts';
import { createDoorHttp, doorMetrics, type DoorMetrics, type DoorServers } from './http/index.ts';
import type { ProofGuard, Upstream } from './ports.ts';
import { guardServers, type OpenedServers } from './servers.ts';
import { tokenVerifier } from './tokens/access-token.ts';
import { authenticator } from './tokens/authenticate.ts';
import { proofVerifier } from './tokens/dpop.ts';
import { followTokenKeys } from './tokens/keys.ts';
import { proofNonces } from './tokens/nonces.ts';
import { gatewayPath } from './upstream/files.ts';
import { openUpstream, upstreamMeters } from './upstream/index.ts';

type KeyCalls = Pick<ServiceCalls<typeof keyv1.KeyService>, 'listPublicKeys' | 'generateDataKey' | 'decrypt'>;

export type DoorServersParts = Pick<GuardedPorts, 'decide' | 'policyRevision' | 'records' | 'pins'> & {
  readonly runtime: ServiceRuntime;
  readonly keys: KeyCalls;
  /** Holds the last good policy bundle. */
  readonly bundleDirectory: string;
};

const IMPLEMENTATION = { name: 'sallyport', version: '0.1.0' } as const;

/** Connects to nothing. Rejects with `TypeError` for a server whose files or command cannot be used. */
export async function openDoorServers(
  config: DoorConfig,
  parts: DoorServersParts,
): Promise<OpenedServers & Serving> {
  const { clock, log, metrics } = parts.runtime;
  const monotonic = (): number => clock.monotonic();
  const now = (): number => clock.now();
  const meters = upstreamMeters(metrics);
  await using opening = new AsyncDisposableStack();
  const upstreams: Upstream[] = [];
  const serving: Record<string, Route> = {};
  for (const [route, server] of Object.entries(config.servers)) {
    const ports = {
      route,
      monotonic,
      randomBytes,
      log,
      meter: meters.of(route),
      path: config.path ?? gatewayPath(),
      workFolder: config.workDirectory ?? join(parts.bundleDirectory, 'servers'),
    };
    if (server.kind === 'channel') {
      const { upstream, destination } = channelUpstream(server, ports);
      upstreams.push(opening.use(upstream));
      serving[route] = destination;
    } else {
      upstreams.push(opening.use(await openUpstream(server, ports)));
    }
  }
  const handles = sealedHandles({ keys: parts.keys, now, monotonic });
  handles.warm().catch((error: unknown) => log.debug('no key for handles yet', { error }));
  const servers = guardServers(upstreams, {
    decide: parts.decide,
    policyRevision: parts.policyRevision,
    records: parts.records,
    pins: parts.pins,
    handles,
    metricsOf: guardedMetrics(metrics),
    monotonic,
    log,
    translate: { now: monotonic, schedule, randomBytes, implementation: IMPLEMENTATION },
    federate: { schedule, randomBytes, implementation: IMPLEMENTATION },
  });
  opening.move();
  return { ...servers, serving };
}

/** Does not keep the process alive. */
function schedule(delayMs: number, task: () => void): Disposable {
  const timer = setTimeout(task, delayMs).unref();
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

export type DoorParts = {
  readonly runtime: ServiceRuntime;
  readonly probes: Pick<Probes, 'port' | 'handle'>;
  readonly servers: DoorServers;
  readonly proofs: ProofGuard;
  readonly keys: KeyCalls;
  readonly meter: FeedMeter;
  readonly revoked: Pick<RevokedSessions, 'has' | 'onRevoked'>;
  readonly revocations: Pick<Follower, 'isDead' | 'status'>;
  readonly recordRejection: (entry: RejectionEntry) => Promise<void>;
  /** Default 1,000. */
  readonly rejectionIntervalMs?: number;
};

export type OpenedDoor = AsyncDisposable & {
  readonly publicOrigin: string;
  /** Notes for `/readyz`: none of them is a reason to send nobody to this gateway. */
  note(): string | undefined;
};

const REJECTION_INTERVAL_MS = 1_000;
/** As fast as a feed can die, and far faster than it may. */
const FEED_CHECK_MS = 1_000;

/** Serves from now on. Rejects with `BusError` when it cannot subscribe. */
export async function openDoor(config: DoorConfig, parts: DoorParts): Promise<OpenedDoor> {
  const { probes, revoked, revocations } = parts;
  const { identity, trust, bus, clock, log, metrics, tracer } = parts.runtime;
  const now = (): number => clock.now();
  const publicOrigin = config.publicOrigin ?? `https://localhost:${probes.port}`;
  const issuer = config.issuer ?? publicOrigin;
  const allowsBearer = config.allowBearerTokens;
  if (allowsBearer)
    log.warn('tokens that are bound to no key are taken: who has seen one can use it (allowBearerTokens)');
  await using building = new AsyncDisposableStack();
  let measure: DoorMetrics | undefined;
  const rejections = building.use(
    startRejections({
      record: parts.recordRejection,
      metrics: { rejected: () => undefined },
      now,
      intervalMs: parts.rejectionIntervalMs ?? REJECTION_INTERVAL_MS,
      onProblem: (error) => log.error('refused requests could not be recorded', { error }),
    }),
  );
  const keys = building.use(
    await followTokenKeys({
      ...{ directory: parts.keys, bus, clock, log, meter: parts.meter },
      onChange: () => tokens.forget(),
    }),
  );
  const tokens = tokenVerifier({ keys, issuer, now });
  const nonces = proofNonces({ keys: parts.keys, now, monotonic: () => clock.monotonic() });
  nonces.warm().catch((error: unknown) => log.debug('no shared key for nonces yet', { error }));
  const authorizationServer =
    config.authHttpAddress === undefined
      ? undefined
      : building.use(
          forwarder({
            ...{ address: config.authHttpAddress, identity, trust, publicOrigin, log },
            onForwarded: (status) => measure?.forwarded(status),
          }),
        );
  const http = building.use(
    createDoorHttp({
      ...{ publicOrigin, issuer, allowsBearer, tracer, now, log },
      allowedOrigins: config.allowedOrigins ?? [],
      port: probes.port,
      maxBodyBytes: config.maxBodyBytes ?? DOOR_BODY_BYTES.default,
      maxConcurrent: config.maxConcurrent ?? DOOR_CONCURRENT.default,
      servers: parts.servers,
      authenticate: authenticator({
        ...{ tokens, keys, nonces, allowsBearer, now },
        verifyProof: proofVerifier(),
        proofs: parts.proofs,
        isRevoked: (sessionId) => revoked.has(sessionId),
        isFeedDead: () => mayMissRevocations(revocations),
        onProof: (verdict) => measure?.proof(verdict),
        onProblem: (error) => log.debug('a proof could not be looked up', { error }),
      }),
      forward: authorizationServer?.forward,
      countRefused: rejections.count,
      metrics: (gauges) => (measure = doorMetrics(metrics, gauges)),
      monotonic: () => clock.monotonic(),
    }),
  );
  building.use(revoked.onRevoked((sessionId) => http.endSession(sessionId)));
  const watch = setInterval(() => {
    if (revocations.isDead()) http.endAll();
  }, FEED_CHECK_MS);
  building.defer(() => clearInterval(watch));
  building.use(probes.handle(http.mount));
  const opened = building.move();
  return {
    publicOrigin,
    note: () => (keys.isCurrent() ? undefined : 'no key of access tokens is known'),
    async [Symbol.asyncDispose]() {
      // What is under way ends while the port still listens, so that who comes meanwhile is told to come again.
      await http[Symbol.asyncDispose]();
      await opened.disposeAsync();
    },
  };
}
