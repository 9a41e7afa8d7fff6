/** What surrounds every exchange with a server: a place, its circuit, the signal that ends it, and how it ended. */
import { Breaker, DEFAULT_BREAKER, type BreakerState, type Passage } from '../../../routes/breaker.ts';
import { UpstreamFailure, type UpstreamProblem } from '../../ports.ts';
import { DEFAULTS, type HttpUpstreamConfig } from '../config.ts';
import { Admission, type Owner } from '../owners.ts';
import type { UpstreamPorts } from '../ports.ts';
import type { Link } from './link.ts';

export type Attempt = {
  /** Aborts when nobody waits, when the time is over, and when the gateway stops. */
  readonly signal: AbortSignal;
  /** The server answers: what it says of its health does not wait for the end of a long stream. */
  answering(): void;
  /** Once; what comes later is not counted. `status`: of HTTP. */
  answered(status: number): void;
  /** What to throw; ends it as well. */
  fail(error: unknown): UpstreamFailure;
  /** Its client left, unless it has ended. */
  left(): void;
};

export type Attempts = Disposable & {
  /** `short`: what ends by itself and must pass while everything else waits for it. Throws `UpstreamFailure` (`busy`). */
  begin(owner: Owner, kind: 'exchange' | 'short', signal: AbortSignal): Attempt;
  state(): BreakerState;
};

/** What it says about the server; undefined: nothing, such as a call that we gave up. */
const HEALTH: Readonly<Record<UpstreamProblem, boolean | undefined>> = {
  unreachable: false,
  timeout: false,
  broke_off: false,
  malformed: false,
  too_large: undefined,
  busy: undefined,
  cancelled: undefined,
};

/** `exchange` and `short` have the same bounds and separate counts. Disposing aborts what is under way. */
export function httpAttempts(
  config: HttpUpstreamConfig,
  { monotonic, meter }: UpstreamPorts,
  link: Link,
): Attempts {
  const { maxConcurrent = DEFAULTS.maxConcurrent, maxPerPrincipal = DEFAULTS.maxPerPrincipal } = config;
  const admissions = {
    exchange: new Admission(maxConcurrent, maxPerPrincipal, 'exchanges under way'),
    short: new Admission(maxConcurrent, maxPerPrincipal, 'messages under way'),
  };
  const breaker = new Breaker(config.breaker ?? DEFAULT_BREAKER, monotonic);
  const open = new Set<AbortController>();
  meter.circuit(() => breaker.state);

  function enter(owner: Owner, kind: 'exchange' | 'short'): { release: () => void; passage: Passage } {
    try {
      const release = admissions[kind].enter(owner);
      const passage = breaker.enter();
      if (passage !== undefined) return { release, passage };
      release();
      throw new UpstreamFailure('busy', `the server failed too often and rests for ${breaker.restMs} ms`);
    } catch (error) {
      meter.exchange('busy');
      throw error;
    }
  }

  return {
    begin(owner, kind, caller) {
      const { release, passage } = enter(owner, kind);
      const ending = new AbortController();
      let first: Passage | undefined = passage;
      let isOver = false;
      const { totalTimeoutMs } = config;
      const timer =
        totalTimeoutMs === undefined
          ? undefined
          : setTimeout(
              () =>
                ending.abort(
                  new UpstreamFailure('timeout', `the server took more than ${totalTimeoutMs} ms`),
                ),
              totalTimeoutMs,
            );
      const leave = (): void => ending.abort();
      const over = (end: 'answered' | UpstreamProblem, isHealthy: boolean | undefined): void => {
        if (isOver) return;
        isOver = true;
        clearTimeout(timer);
        caller.removeEventListener('abort', leave);
        open.delete(ending);
        release();
        if (first !== undefined) first(isHealthy);
        // It was well when it began to answer, and is not now.
        else if (isHealthy === false) breaker.enter()?.(false);
        meter.underWay(-1);
        meter.exchange(end);
      };
      // Even where nobody reads what is left of it.
      ending.signal.addEventListener('abort', () => {
        const { problem } = link.failureOf(undefined, ending.signal);
        over(problem, HEALTH[problem]);
      });
      open.add(ending);
      meter.underWay(1);
      caller.addEventListener('abort', leave, { once: true });
      if (caller.aborted) leave();
      return {
        signal: ending.signal,
        answering() {
          first?.(true);
          first = undefined;
        },
        answered: (status) => over('answered', status < 500),
        fail(error) {
          const failure = link.failureOf(error, ending.signal);
          over(failure.problem, HEALTH[failure.problem]);
          return failure;
        },
        left: () => over('cancelled', undefined),
      };
    },
    state: () => breaker.state,
    [Symbol.dispose]() {
      for (const ending of open) ending.abort();
    },
  };
}
