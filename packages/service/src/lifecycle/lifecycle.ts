/** Starting and stopping what a service is made of, in an order that loses nothing. */
import { unavailable } from '../errors/index.ts';
import { createReadiness, type Readiness } from './readiness.ts';

export type Phase = 'starting' | 'running' | 'draining' | 'closed';

export interface ResourceOptions<R> {
  /** Stops taking new work and resolves when what was begun is done; bounded by `drainTimeoutMs`. */
  readonly drain?: (resource: R) => Promise<void>;
  /** Default: the resource's own `Symbol.asyncDispose` or `Symbol.dispose`. */
  readonly close?: (resource: R) => Promise<void> | void;
  /** A readiness check under the resource's name. */
  readonly ready?: (resource: R, signal: AbortSignal) => Promise<void>;
}

export interface ShutdownProblem {
  readonly name: string;
  readonly step: 'drain' | 'close';
  readonly error: unknown;
}

export interface LifecycleOptions {
  /** For all drains together. Default 10 000 ms. */
  readonly drainTimeoutMs?: number;
  /** For each close. Default 5000 ms. */
  readonly closeTimeoutMs?: number;
  /** For each readiness check. Default 1000 ms. */
  readonly readinessTimeoutMs?: number;
  /** Told of each problem during shutdown; shutdown goes on. */
  readonly onProblem?: (problem: ShutdownProblem) => void;
}

/**
 * The resources of one composed service. Shutdown order: not ready, drain all (newest first) within one bound, close in
 * reverse order of addition.
 */
export interface Lifecycle extends AsyncDisposable {
  readonly phase: Phase;
  /** Has a check of its own, `lifecycle`, that fails unless the phase is `running`. */
  readonly readiness: Readiness;
  /**
   * Builds a resource and keeps it. When `build` fails, everything added before is closed in reverse and the same error
   * is thrown. Throws when shutdown has begun; a resource whose `build` ends after that is closed at once.
   */
  add<R>(name: string, build: () => Promise<R> | R, options?: ResourceOptions<R>): Promise<R>;
  /** Start-up is complete: readiness may now be true. */
  started(): void;
  /** Idempotent; resolves when all is closed, with the problems met on the way. Never rejects. */
  shutdown(): Promise<readonly ShutdownProblem[]>;
}

interface Held {
  readonly name: string;
  readonly drain: (() => Promise<void>) | undefined;
  readonly close: () => Promise<void>;
}

async function within(timeoutMs: number, what: string, work: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${what} took more than ${timeoutMs} ms`)), timeoutMs);
  try {
    await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function dispose(resource: unknown): Promise<void> {
  if (typeof resource !== 'object' || resource === null) return;
  if (Symbol.asyncDispose in resource) await (resource as AsyncDisposable)[Symbol.asyncDispose]();
  else if (Symbol.dispose in resource) (resource as Disposable)[Symbol.dispose]();
}

export function createLifecycle(options: LifecycleOptions = {}): Lifecycle {
  const { drainTimeoutMs = 10_000, closeTimeoutMs = 5000, readinessTimeoutMs = 1000, onProblem } = options;
  const readiness = createReadiness({ timeoutMs: readinessTimeoutMs });
  const held: Held[] = [];
  let phase: Phase = 'starting';
  let stopping: Promise<readonly ShutdownProblem[]> | undefined;

  readiness.add('lifecycle', async () => {
    if (phase !== 'running') throw unavailable(`the service is ${phase}`);
  });

  async function attempt(
    problems: ShutdownProblem[],
    step: ShutdownProblem['step'],
    timeoutMs: number,
    name: string,
    work: () => Promise<void>,
  ): Promise<void> {
    try {
      await within(timeoutMs, `${step} of ${name}`, work());
    } catch (error) {
      const problem: ShutdownProblem = { name, step, error };
      problems.push(problem);
      onProblem?.(problem);
    }
  }

  async function closeAll(problems: ShutdownProblem[]): Promise<void> {
    for (let item = held.pop(); item !== undefined; item = held.pop()) {
      await attempt(problems, 'close', closeTimeoutMs, item.name, item.close);
    }
  }

  async function stop(): Promise<readonly ShutdownProblem[]> {
    phase = 'draining';
    const problems: ShutdownProblem[] = [];
    const drains = held.toReversed().map(async ({ name, drain }) => {
      if (drain !== undefined) await attempt(problems, 'drain', drainTimeoutMs, name, drain);
    });
    await Promise.all(drains);
    await closeAll(problems);
    phase = 'closed';
    return problems;
  }

  function shutdown(): Promise<readonly ShutdownProblem[]> {
    stopping ??= stop();
    return stopping;
  }

  return {
    get phase() {
      return phase;
    },
    readiness,
    async add(name, build, resourceOptions = {}) {
      if (stopping !== undefined) throw unavailable(`${name} cannot start: the service is ${phase}`);
      const { drain, close, ready } = resourceOptions;
      let resource;
      try {
        resource = await build();
      } catch (error) {
        await shutdown();
        throw error;
      }
      const item: Held = {
        name,
        drain: drain === undefined ? undefined : async () => drain(resource),
        close: async () => (close === undefined ? dispose(resource) : close(resource)),
      };
      // Shutdown may have begun during `build`; it does not know of this one.
      if (stopping !== undefined) {
        await attempt([], 'close', closeTimeoutMs, name, item.close);
        throw unavailable(`${name} cannot start: the service is ${phase}`);
      }
      held.push(item);
      if (ready !== undefined) readiness.add(name, (signal) => ready(resource, signal));
      return resource;
    },
    started() {
      if (phase === 'starting') phase = 'running';
    },
    shutdown,
    async [Symbol.asyncDispose]() {
      await shutdown();
    },
  };
}
