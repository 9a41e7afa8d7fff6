/** Builds the first door of a gateway over its pipeline: handshakes, resumes, leases, and the port that carries sessions. */
import { X509Certificate } from 'node:crypto';
import { createGatewayIdentity, type GatewayIdentity } from '@sallyport/channel';
import type { BundleHolder } from '@sallyport/policy-engine';
import type { authv1, keyv1 } from '@sallyport/proto';
import { startGrpcServer, type ServiceCalls } from '@sallyport/service/grpc';
import type { Identity } from '@sallyport/service/identity';
import type { ServiceRuntime } from '@sallyport/service/runtime';
import { watchAttachments } from './app/attachments.ts';
import { createCarrier, type Carrier } from './app/carrier.ts';
import { createHandshakeTraces } from './app/handshake-trace.ts';
import type { HalfOpen } from './app/half-open.ts';
import { isLeft, leaveWith } from './app/leaving.ts';
import { startLeases } from './app/leases.ts';
import type { PipelineMetrics } from './app/measure.ts';
import { beginSession, type OpenSessionPorts } from './app/open-session.ts';
import type { Pipeline } from './app/pipeline.ts';
import type { ReplayGuard } from './app/ports.ts';
import type { Rejections } from './app/rejections.ts';
import { beginResume } from './app/resume-session.ts';
import type { RevokedSessions } from './app/revoked-sessions.ts';
import { createSessionEnds } from './app/session-ends.ts';
import type { Sessions } from './app/sessions.ts';
import { createShares, type ShareLimits } from './app/shares.ts';
import type { UnderWay } from './app/under-way.ts';
import { within } from './app/within.ts';
import type { GatewayRecords } from './clients/audit.ts';
import { checkPolicy } from './clients/policy-age.ts';
import { authClient, bytesOf, keyClient } from './clients/services.ts';
import { sessionRecords } from './clients/session-records.ts';
import type { GatewayConfig } from './config.ts';
import type { SharedGuard } from './guard/redis.ts';
import { routes } from './rpc/routes.ts';

export type SessionParts = {
  readonly config: Pick<GatewayConfig, 'host' | 'channelPort'>;
  readonly runtime: ServiceRuntime;
  readonly channelIdentity: Identity;
  readonly auth: Pick<
    ServiceCalls<typeof authv1.AuthService>,
    'provePsk' | 'authenticateHandshake' | 'closeSession'
  >;
  readonly keys: Pick<
    ServiceCalls<typeof keyv1.KeyService>,
    'createSessionKey' | 'renewLeases' | 'destroySessionKeys' | 'generateDataKey' | 'decrypt'
  >;
  readonly holder: Pick<BundleHolder, 'current'>;
  readonly policyMaxAgeMs: number;
  readonly decide: OpenSessionPorts['decide'];
  readonly guard: ReplayGuard;
  /** Absent: sessions end with their connection. */
  readonly shared: Pick<SharedGuard, 'store'> | undefined;
  readonly pipeline: Pipeline;
  readonly sessions: Sessions;
  readonly underWay: UnderWay;
  readonly rejections: Rejections;
  readonly metrics: PipelineMetrics;
  readonly records: Pick<GatewayRecords, 'opening' | 'resume'>;
  readonly revoked: Pick<RevokedSessions, 'has'>;
  /** Aborted when what is under way has had its time. */
  readonly giveUp: AbortController;
  readonly onDefect: (error: unknown) => void;
  /** Default 10,000. */
  readonly attachmentCheckMs?: number | undefined;
  readonly shareLimits?: ShareLimits | undefined;
};

export type ComposedSessions = AsyncDisposable & {
  readonly port: number;
  /** No new work, then what is under way ends, then the sessions and their carriers do. To be called before disposal. */
  drain(): Promise<void>;
};

const LEASE_MS = 60 * 60_000;
const LEASE_CHECK_MS = 60_000;
const ATTACHMENT_CHECK_MS = 10_000;
const DELEGATION_MS = 24 * 60 * 60_000;
const MAX_HALF_OPEN = 256;
/** Of one principal, in all its sessions. */
const SHARE_LIMITS = { maxSessions: 1_024, maxMessages: 65_536, maxBytes: 128 * 1024 * 1024 } as const;
/** For answers of routes at shutdown, and then for the record of what they did not answer. */
const DRAIN_MS = 5_000;
const GIVE_UP_MS = 1_000;
// Twice the largest frame: one that is a little too large is refused by itself, and more ends its carrier.
const MAX_MESSAGE_BYTES = 2 * 1024 * 1024;
/** One carries any number of sessions. */
const MAX_CARRIERS_PER_CONNECTION = 16;

/** Listens from now on. Rejects with what keeps the listener from its port. */
export async function composeSessions(parts: SessionParts): Promise<ComposedSessions> {
  const { auth, keys, holder, guard, shared, pipeline, sessions, underWay, records, onDefect } = parts;
  const { identity, trust, clock, log, metrics, tracer } = parts.runtime;
  const now = (): number => clock.now();
  const monotonic = (): number => clock.monotonic();
  await using building = new AsyncDisposableStack();
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
  const gatewayIdentity = renewedIdentity(parts.channelIdentity, trust.trustDomain, now);
  const halfOpen: HalfOpen = { count: 0, max: MAX_HALF_OPEN };
  const sealing = sessionRecords(keys, monotonic);
  const common = {
    identity: gatewayIdentity,
    now,
    createSessionKey: keyCalls.createSessionKey,
    decide: parts.decide,
    shares: createShares(parts.shareLimits ?? SHARE_LIMITS, underWay),
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
    isRevoked: parts.revoked.has,
    checkPolicy: () => checkPolicy(holder.current, parts.policyMaxAgeMs),
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
      watchAttachments({ sessions, store, onProblem }, parts.attachmentCheckMs ?? ATTACHMENT_CHECK_MS),
    );
  }
  const traceHandshake = createHandshakeTraces(tracer, monotonic);
  const carriers = new Set<Carrier>();
  const server = building.use(
    await startGrpcServer({
      identity,
      trust,
      host: parts.config.host,
      port: parts.config.channelPort,
      clientCertificate: 'none',
      services: [
        routes((connection, traceparent) => {
          const carrier = createCarrier(
            {
              beginSession: (peer) => traceHandshake(beginSession(opening, peer), traceparent),
              ...(resuming && { beginResume: (peer) => beginResume(resuming, peer) }),
              pipeline,
              sessions,
              rejections: parts.rejections,
              metrics: parts.metrics,
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

  const opened = building.move();
  return {
    port: server.port,
    async drain() {
      server.setServing(false);
      pipeline.stop();
      halfOpen.max = 0;
      await within(DRAIN_MS, underWay.idle());
      parts.giveUp.abort();
      await within(GIVE_UP_MS, underWay.idle());
      sessions.endAll('unavailable', 'gateway_stopping');
      for (const carrier of carriers) carrier.end();
      await Promise.all(closing);
      await within(DRAIN_MS, ends.idle());
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
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
