/**
 * The embedded profile: every service in this process, on its own port, over the same mutual TLS as in a cluster.
 *
 * Order (DESIGN.md section 3): state folder, identities, database, bus, key, policy, auth, audit, gateway. Disposed in reverse.
 * The one module that may import other apps (STYLE.md rule 3).
 */
import { composeAuditService } from '@sallyport/audit-service';
import { composeAuthService } from '@sallyport/auth-service';
import { composeGateway } from '@sallyport/gateway';
import { composeKeyService } from '@sallyport/key-service';
import { composePolicyService } from '@sallyport/policy-service';
import { AUDIT_EVENTS_PATTERN } from '@sallyport/service/audit';
import { memoryBus, type Bus } from '@sallyport/service/bus';
import { systemClock, type Clock } from '@sallyport/service/clock';
import { openPglite, type DatabaseHost } from '@sallyport/service/database';
import type { ServiceName } from '@sallyport/service/identity';
import { createLifecycle, type Lifecycle, type Readiness } from '@sallyport/service/lifecycle';
import { createLogger } from '@sallyport/service/log';
import { createMetrics, mergedMetrics, type Metrics } from '@sallyport/service/metrics';
import type { ServiceRuntime } from '@sallyport/service/runtime';
import { openTelemetry } from '@sallyport/service/telemetry';
import { routesOf, type EmbeddedConfig } from './config.ts';
import { CommandFailed } from './exit.ts';
import { publicOriginOf, serversOf, shownDoor } from './model-context.ts';
import { startFailure } from './start-failure.ts';
import {
  ensureDevelopmentPasswords,
  ensureDevelopmentPsk,
  pinLogKey,
  readLogFindings,
} from './state/first-start.ts';
import { ensureIdentities, type EmbeddedIdentities } from './state/identities.ts';
import { takeStateFolder } from './state/take.ts';
import { firstBindings, readConfig, type RunningSystem, type UpOptions } from './up-options.ts';

const HOST = '127.0.0.1';
const LEASE_MS = 60 * 60 * 1000;
const SESSION_LIFETIME_MS = 12 * 60 * 60 * 1000;
const CHECKPOINT_INTERVAL_MS = 100;
const OAUTH_DEFAULTS = {
  maxRegisteredClients: 1_000,
  registeredClientLifetimeMs: 30 * 24 * 60 * 60 * 1000,
  clients: [],
};

/** Starts everything and resolves when all of it is ready; undefined when only the configuration was to be checked. */
export async function up(options: UpOptions): Promise<RunningSystem | undefined> {
  const config = await readConfig(options);
  if (options.checkConfigOnly) return undefined;
  const { home, onStep } = options;
  const clock = systemClock();
  const problems: string[] = [];
  let logFindings: readonly string[];
  let isSetUp = false;
  const lifecycle = createLifecycle({
    onProblem: ({ name, step, error }) => problems.push(`${step} ${name}: ${(error as Error).message}`),
  });
  try {
    const folder = await lifecycle.add('state folder', () => takeStateFolder(home, 'embedded', clock));
    for (const text of folder.notices) onStep(text);
    const identities = await ensureIdentities(home, clock);
    if (identities.created) onStep(`Made a development CA and its identities in ${home.folder}.`);
    onStep('Starting the database …');
    const database = await lifecycle.add('database', () => openPglite({ dataDir: home.databaseFolder }));
    const bus = await lifecycle.add('bus', () =>
      memoryBus({ clock, durables: [{ name: 'audit-service', subject: AUDIT_EVENTS_PATTERN }] }),
    );
    onStep('Starting the services …');
    const readiness = forTraffic(lifecycle.readiness, () => isSetUp);
    await startServices({
      options,
      config,
      clock,
      lifecycle,
      readiness,
      identities,
      database,
      bus,
      metrics: [],
    });
    lifecycle.started();
    logFindings = await settled(lifecycle, options.signal, () => readLogFindings(home, identities.trust));
    await ensureDevelopmentPsk(home, identities.trust);
    await ensureDevelopmentPasswords(home, identities.trust);
    await pinLogKey(home, identities.trust);
    isSetUp = true;
  } catch (error) {
    await lifecycle.shutdown();
    throw startFailure(error, home);
  }
  return {
    logFindings,
    door: shownDoor(config.modelContext, home.ports.https, true),
    async stop() {
      await lifecycle.shutdown();
      return problems;
    },
  };
}

type Parts = {
  readonly options: UpOptions;
  readonly config: EmbeddedConfig;
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
  /** What `/readyz` says. */
  readonly readiness: Pick<Readiness, 'report'>;
  readonly identities: EmbeddedIdentities;
  readonly database: DatabaseHost;
  readonly bus: Bus;
  /** Of every service, for the one endpoint that shows them. */
  readonly metrics: Metrics[];
};

async function startServices(parts: Parts): Promise<void> {
  const { config, lifecycle, identities, database } = parts;
  const { home } = parts.options;
  const { ports } = home;
  const address = (port: number): string => `${HOST}:${port}`;
  const publicOrigin = publicOriginOf(config.modelContext, ports.https);
  const at = {
    keyAddress: address(ports.key),
    policyAddress: address(ports.policy),
    authAddress: address(ports.auth),
  };
  const start = async <
    S extends {
      readonly readiness: Readonly<Record<string, () => Promise<string | void>>>;
    } & AsyncDisposable,
  >(
    name: ServiceName,
    compose: (runtime: ServiceRuntime) => Promise<S>,
  ): Promise<S> => {
    const runtime = await runtimeOf(name, parts);
    const service = await lifecycle.add(name, () => compose(runtime));
    for (const [check, run] of Object.entries(service.readiness)) {
      lifecycle.readiness.add(`${name}: ${check}`, run);
    }
    return service;
  };
  const common = (name: ServiceName) => ({ host: HOST, spoolDirectory: home.spoolFolder(name) });

  await start('key-service', async (runtime) =>
    composeKeyService(
      {
        ...common('key-service'),
        port: ports.key,
        rootKeyFile: home.rootKeyFile,
        policyAddress: at.policyAddress,
        leaseMs: LEASE_MS,
      },
      runtime,
      { database },
    ),
  );
  await start('policy-service', async (runtime) =>
    composePolicyService(
      {
        ...common('policy-service'),
        port: ports.policy,
        keyAddress: at.keyAddress,
        builtIn: firstBindings(),
        toolPinning: config.modelContext.pinning,
      },
      runtime,
      { database },
    ),
  );
  await start('auth-service', async (runtime) =>
    composeAuthService(
      {
        ...common('auth-service'),
        port: ports.auth,
        keyAddress: at.keyAddress,
        policyAddress: at.policyAddress,
        anchors: { pem: identities.trust.caPem },
        trustDomain: identities.trust.trustDomain,
        sessionLifetimeMs: SESSION_LIFETIME_MS,
        certificates: config.certificates,
        publicOrigin,
        oauth: {
          ...OAUTH_DEFAULTS,
          httpPort: ports.signIn,
          allowDynamicRegistration: config.modelContext.allowDynamicRegistration ?? true,
          allowPrivateMetadataHosts: config.modelContext.allowPrivateMetadataHosts,
          metadataCaFile: config.modelContext.metadataCaFile,
        },
      },
      runtime,
      { database },
    ),
  );
  await start('audit-service', async (runtime) =>
    composeAuditService(
      {
        ...common('audit-service'),
        port: ports.audit,
        keyAddress: at.keyAddress,
        policyAddress: at.policyAddress,
        logDirectory: home.auditLogFolder,
        origin: `${identities.trust.trustDomain}/audit`,
        checkpointIntervalMs: CHECKPOINT_INTERVAL_MS,
      },
      runtime,
      { database },
    ),
  );
  await start('gateway', (runtime) =>
    composeGateway(
      {
        ...common('gateway'),
        httpsPort: ports.https,
        channelPort: ports.channel,
        authAddress: at.authAddress,
        keyAddress: at.keyAddress,
        policyAddress: at.policyAddress,
        bundleDirectory: home.bundleFolder,
        policy: { maxAgeMs: config.policy.maxAge },
        revocations: { deadAfterMs: config.revocations.deadAfter },
        ...(config.spool.maxBytes === undefined ? {} : { spoolMaxBytes: config.spool.maxBytes }),
        routes: { ...routesOf(config), echo: { kind: 'echo' } },
        door: {
          publicOrigin,
          allowedOrigins: config.modelContext.allowedOrigins,
          // Stock clients send tokens that are bound to no key; `doctor` says so.
          allowBearerTokens: config.modelContext.allowBearerTokens ?? true,
          authHttpAddress: address(ports.signIn),
          servers: serversOf(config.modelContext),
          workDirectory: home.serversFolder,
        },
      },
      runtime,
      {
        channelIdentity: identities.gatewayChannel,
        readiness: parts.readiness,
        metrics: mergedMetrics(parts.metrics),
      },
    ),
  );
}

async function runtimeOf(name: ServiceName, parts: Parts): Promise<ServiceRuntime> {
  const { clock, config, identities, lifecycle, bus } = parts;
  const log = createLogger({ service: name, level: config.log.level, destination: process.stderr, clock });
  const telemetry = await lifecycle.add(`${name} telemetry`, () =>
    openTelemetry({ service: name, config: config.telemetry, log }),
  );
  const metrics = createMetrics({ service: name });
  telemetry.measure(metrics);
  parts.metrics.push(metrics);
  return {
    identity: identities.services[name],
    trust: identities.trust,
    bus,
    clock,
    log,
    metrics,
    tracer: telemetry.tracer,
  };
}

/** The check that fails, and goes on failing, when what is stored of the audit log does not fit together. */
const LOG_CHECK = 'audit-service: log';

/**
 * Readiness for messages: everything that they need, and the first start's work done. A log that does not fit together
 * is listed and does not count: events wait in the spools and traffic goes on (DESIGN.md section 12).
 */
function forTraffic(all: Pick<Readiness, 'report'>, isSetUp: () => boolean): Pick<Readiness, 'report'> {
  return {
    async report() {
      const { checks } = await all.report();
      return { ready: isSetUp() && checks.every(({ name, ok }) => ok || name === LOG_CHECK), checks };
    },
  };
}

/**
 * Resolves with nothing when every check passes, and with the findings when all that fails is a log that does not fit
 * together: the system then runs all the same, so that `audit verify` can say what is wrong. Start-up takes seconds; a
 * minute means that something will not come.
 */
async function settled(
  lifecycle: Lifecycle,
  signal: AbortSignal,
  logFindings: () => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const report = await lifecycle.readiness.report();
    if (report.ready) return [];
    if (signal.aborted) throw new CommandFailed('Interrupted while starting.');
    const open = report.checks.filter((check) => !check.ok);
    if (open.every(({ name }) => name === LOG_CHECK)) {
      const findings = await logFindings();
      if (findings.length > 0) return findings;
    }
    if (performance.now() > deadline) {
      const lines = open.map((check) => `  ${check.name}: ${check.problem ?? 'not ready'}`);
      throw new CommandFailed(`Not ready after 60 s:\n${lines.join('\n')}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
