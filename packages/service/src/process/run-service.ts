/**
 * One service as a process of its own: configuration, runtime, composition, probes, orderly end.
 *
 * Order of a start: configuration and the files that it names, probes (alive from here on, not ready), bus, database and
 * service, each waited for. Order of an end: not ready, no new work, what is under way ends, closed in reverse; bounded.
 */
import { busNote, type Bus } from '../bus/index.ts';
import { systemClock } from '../clock/index.ts';
import { ConfigError, formatProblems, loadConfig, type Schema } from '../config/index.ts';
import { unavailable } from '../errors/index.ts';
import type { ServiceName } from '../identity/index.ts';
import { createLifecycle, type Readiness } from '../lifecycle/index.ts';
import { createLogger, redactText, type Log } from '../log/index.ts';
import { createMetrics } from '../metrics/index.ts';
import type { ComposedService, ServiceRuntime } from '../runtime/index.ts';
import { openTelemetry } from '../telemetry/index.ts';
import { openBus, openDatabase } from './backends.ts';
import { measureCertificate } from './certificate-expiry.ts';
import { helpText, parseInvocation } from './command-line.ts';
import { plaintextBackends, type DatabaseConfig, type ProcessConfig } from './config.ts';
import type { DatabaseHost } from '../database/index.ts';
import type { HostProcess } from './host.ts';
import { readServiceIdentity } from './identity-config.ts';
import { startProbes, type Probes } from './probes.ts';
import { watchForEnd } from './signals.ts';
import { waitFor } from './wait.ts';

export interface ServiceParts {
  /** Opens the service's database, which is closed after the service. Throws `DatabaseError`. */
  database(config: DatabaseConfig): Promise<DatabaseHost>;
  /** Closed after the service; for what `compose` opens by itself. */
  use<T extends AsyncDisposable>(resource: T): T;
  /** What listens already, with the process's readiness. */
  readonly probes: Probes;
  /** What `/readyz` says. */
  readonly readiness: Pick<Readiness, 'report'>;
}

export interface ServiceDefinition<C extends ProcessConfig> {
  readonly name: ServiceName;
  /** One line for `--help`. */
  readonly summary: string;
  readonly schema: Schema<C>;
  /** Where the probes listen. */
  readonly probes: (config: C) => { readonly host: string; readonly port: number };
  /** May run several times: what is not there yet (a retryable `SallyportError`) is waited for. */
  readonly compose: (config: C, runtime: ServiceRuntime, parts: ServiceParts) => Promise<ComposedService>;
}

export const EXIT = { done: 0, failed: 1, configuration: 2, interrupted: 130 } as const;
/** Beyond the drains and closes themselves; what then still runs is cut off. */
const END_WITHIN_MS = 30_000;
const ORPHAN_ENDS_WITHIN_MS = 5_000;
/** Of the service with all that drains in it. */
const CLOSE_TIMEOUT_MS = 20_000;

/** Runs until the process is told to end; ends it with one of `EXIT`. Never throws. */
export async function runService<C extends ProcessConfig>(
  definition: ServiceDefinition<C>,
  host: HostProcess,
): Promise<void> {
  const { name, summary, schema } = definition;
  const invocation = parseInvocation(host.argv.slice(2));
  if (invocation.kind === 'help') {
    host.stdout.write(helpText(name, summary, schema.expects));
    return host.exit(EXIT.done);
  }
  if (invocation.kind === 'usage') {
    host.stderr.write(`${invocation.problem}\nnpx node apps/${name}/src/main.ts --help tells more.\n`);
    return host.exit(EXIT.configuration);
  }
  const isCheck = invocation.kind === 'check';
  let config: C;
  try {
    const { file } = invocation;
    config = loadConfig(schema, { ...(file === undefined ? {} : { file }), env: host.env });
  } catch (error) {
    if (!(error instanceof ConfigError)) return failUnread(host, error);
    const { problems } = error;
    if (isCheck && invocation.json) host.stdout.write(`${JSON.stringify({ config: 'invalid', problems })}\n`);
    else host.stderr.write(`${formatProblems(problems)}\n`);
    host.send?.({ kind: 'failed', message: formatProblems(problems) });
    return host.exit(EXIT.configuration);
  }
  if (isCheck) {
    host.stdout.write(invocation.json ? '{"config":"valid"}\n' : 'The configuration is valid.\n');
    return host.exit(EXIT.done);
  }
  await serve(definition, config, host);
}

/** A defect in the reading itself, not in what was read. */
function failUnread(host: HostProcess, error: unknown): void {
  const message = `the configuration could not be looked at: ${redactText(String(error))}`;
  host.stderr.write(`${message}\n`);
  host.send?.({ kind: 'failed', message });
  host.exit(EXIT.failed);
}

async function serve<C extends ProcessConfig>(
  definition: ServiceDefinition<C>,
  config: C,
  host: HostProcess,
): Promise<void> {
  const { name } = definition;
  const clock = systemClock();
  const log = createLogger({ service: name, level: config.log.level, destination: host.stderr, clock });
  const ending = new AbortController();
  const lifecycle = createLifecycle({
    closeTimeoutMs: CLOSE_TIMEOUT_MS,
    onProblem: ({ name: resource, step, error }) =>
      log.error('did not end cleanly', { resource, step, error }),
  });
  const end = async (withinMs: number): Promise<void> => {
    setTimeout(() => {
      log.error('did not end in time and is cut off', { withinMs });
      host.exit(EXIT.failed);
    }, withinMs).unref();
    const problems = await lifecycle.shutdown();
    host.exit(problems.length === 0 ? EXIT.done : EXIT.failed);
  };
  watchForEnd(host, () => clock.monotonic(), {
    onEnd(cause) {
      log.info('stopping', { cause });
      ending.abort(cause);
      void end(cause === 'parent gone' ? ORPHAN_ENDS_WITHIN_MS : END_WITHIN_MS);
    },
    onInsist: () => host.exit(EXIT.interrupted),
    onDefect(error) {
      log.fatal('an error that nobody handled; ending', { error });
      host.exit(EXIT.failed);
    },
  });

  try {
    const { identity, trust } = readServiceIdentity(config.identity);
    for (const backend of plaintextBackends(config))
      log.warn('a backend is reached without TLS: allowInsecureBackends is set', { backend });
    const telemetry = await lifecycle.add('telemetry', () =>
      openTelemetry({ service: name, config: config.telemetry, log }),
    );
    let metrics = createMetrics({ service: name });
    let waitsFor: string | undefined = 'its first parts';
    lifecycle.readiness.add('dependencies', async () => {
      if (waitsFor !== undefined) throw unavailable(`waits for ${waitsFor}`);
    });
    const probes = await lifecycle.add('probes', () =>
      startProbes({
        ...definition.probes(config),
        identity,
        readiness: lifecycle.readiness,
        metrics: { exposition: () => metrics.exposition(), contentType: metrics.contentType },
      }),
    );
    const wait = <T>(what: string, attempt: () => Promise<T>): Promise<T> => {
      waitsFor = what;
      return waitFor(attempt, { signal: ending.signal, onWait: waiting(log, what) });
    };
    const service = await lifecycle.add(name, () =>
      wait('its backends', async () => {
        await using parts = new AsyncDisposableStack();
        metrics = createMetrics({ service: name }); // an attempt that failed has registered its own
        telemetry.measure(metrics);
        measureCertificate(metrics, identity);
        const common = { service: name, log, metrics };
        const bus = parts.use(await openBus(config, common));
        const runtime = { identity, trust, bus, clock, log, metrics, tracer: telemetry.tracer };
        const composed = await definition.compose(config, runtime, {
          database: async (database) => parts.use(await openDatabase(database, config, metrics)),
          use: (resource) => parts.use(resource),
          probes,
          readiness: lifecycle.readiness,
        });
        return held(composed, parts.move(), bus);
      }),
    );
    for (const [check, run] of Object.entries(service.readiness)) lifecycle.readiness.add(check, run);
    waitsFor = undefined;
    lifecycle.started();
    log.info('listening', { port: service.port, probesPort: probes.port });
    host.send?.({ kind: 'listening', port: service.port, probesPort: probes.port });
  } catch (error) {
    if (ending.signal.aborted) return; // `end` is under way
    log.fatal('cannot start', { error });
    host.send?.({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
    await lifecycle.shutdown();
    host.exit(error instanceof ConfigError ? EXIT.configuration : EXIT.failed);
  }
}

/** The service, and after it what it was made on. */
function held(service: ComposedService, parts: AsyncDisposableStack, bus: Bus): ComposedService {
  return {
    name: service.name,
    port: service.port,
    readiness: { ...service.readiness, bus: busNote(bus) },
    async [Symbol.asyncDispose]() {
      try {
        await service[Symbol.asyncDispose]();
      } finally {
        await parts.disposeAsync();
      }
    },
  };
}

/** The first time as a warning; then now and then, so that a long wait is visible and does not fill the log. */
function waiting(log: Log, what: string) {
  return (error: unknown, attempt: number): void => {
    const isLoud = attempt === 1 || attempt % 10 === 0;
    log[isLoud ? 'warn' : 'debug'](`waiting`, { for: what, attempt, error });
  };
}
