import type { Readiness } from './readiness.ts';

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
  readonly readiness: Readiness;
  /**
   * Builds a resource and keeps it. When `build` fails, everything added before is closed in reverse and the same error
   * is thrown. Throws when shutdown has begun.
   */
  add<R>(name: string, build: () => Promise<R> | R, options?: ResourceOptions<R>): Promise<R>;
  /** Start-up is complete: readiness may now be true. */
  started(): void;
  /** Idempotent; resolves when all is closed, with the problems met on the way. Never rejects. */
  shutdown(): Promise<readonly ShutdownProblem[]>;
}

export function createLifecycle(_options: LifecycleOptions = {}): Lifecycle {
  throw new Error('in progress');
}
