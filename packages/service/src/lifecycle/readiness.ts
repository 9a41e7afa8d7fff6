/** Readiness asks the things a service needs; liveness is static and needs no code. */
import { SallyportError } from '../errors/index.ts';

export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  /** Why not, for a person; never a stack or a secret. */
  readonly problem?: string;
  /** What a person may want to know although it does not matter to readiness. */
  readonly note?: string;
}

export interface ReadinessReport {
  readonly ready: boolean;
  readonly checks: readonly CheckResult[];
}

export interface ReadinessOptions {
  /** A check that takes longer counts as failed. Default 1000 ms. */
  readonly timeoutMs?: number;
}

/**
 * Rejecting means not ready; a thrown `SallyportError`'s message is shown, anything else is not. Resolving to a text means
 * ready, and something to note.
 */
export type ReadinessCheck = (signal: AbortSignal) => Promise<string | void>;

/** Named checks that all must pass. */
export interface Readiness {
  /** Throws when the name is taken. */
  add(name: string, check: ReadinessCheck): void;
  /** Runs all checks at once. Callers that ask while a run is under way get that run's report. Never rejects. */
  report(): Promise<ReadinessReport>;
}

export function createReadiness(options: ReadinessOptions = {}): Readiness {
  const { timeoutMs = 1000 } = options;
  const checks = new Map<string, ReadinessCheck>();
  let running: Promise<ReadinessReport> | undefined;

  async function run(name: string, check: ReadinessCheck): Promise<CheckResult> {
    const abort = new AbortController();
    const late = Promise.withResolvers<CheckResult>();
    const timer = setTimeout(() => {
      abort.abort();
      late.resolve({ name, ok: false, problem: `no answer within ${timeoutMs} ms` });
    }, timeoutMs);
    const asked = (async () => check(abort.signal))().then(
      (note): CheckResult => ({ name, ok: true, ...(typeof note === 'string' ? { note } : {}) }),
      (error: unknown): CheckResult => {
        const isInternal = !(error instanceof SallyportError) || error.reason === 'internal';
        return { name, ok: false, problem: isInternal ? 'the check failed' : error.message };
      },
    );
    try {
      return await Promise.race([asked, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async function runAll(): Promise<ReadinessReport> {
    const results = await Promise.all([...checks].map(([name, check]) => run(name, check)));
    return { ready: results.every(({ ok }) => ok), checks: results };
  }

  return {
    add(name, check) {
      if (checks.has(name)) throw new Error(`readiness check ${name} exists already`);
      checks.set(name, check);
    },
    report() {
      running ??= runAll().finally(() => {
        running = undefined;
      });
      return running;
    },
  };
}
