/**
 * What every route to another process does around one attempt: a deadline over all of it, a bounded number under way, the
 * circuit breaker, and another attempt only where that cannot execute anything twice.
 */
import type { Route, RouteRequest, RouteResult } from '../app/ports.ts';
import { Breaker, DEFAULT_BREAKER, type BreakerConfig, type BreakerState } from './breaker.ts';
import { pause, startDeadline, type Deadline } from './deadline.ts';
import type { RouteMeter } from './measure.ts';
import { Slots } from './slots.ts';

export type Attempted = {
  readonly result: RouteResult;
  /** What it says about the destination; `none`: nothing. */
  readonly health: 'good' | 'bad' | 'none';
  /**
   * Whether the same may be sent again: `unsent`: always, for nothing left this process; `recognised`: only where the
   * destination recognises the idempotency key.
   */
  readonly repeat: 'never' | 'unsent' | 'recognised';
};

export type AttemptsConfig = {
  /** Over everything: waiting for a place, all attempts, the whole answer. */
  readonly timeoutMs: number;
  /** The destination recognises `Idempotency-Key`, and answers a repetition as it did the first. Default false. */
  readonly isIdempotent?: boolean;
  /** Default 3, the first included. */
  readonly maxAttempts?: number;
  readonly breaker?: BreakerConfig;
};

export type AttemptsPorts = {
  readonly monotonic: () => number;
  /** From 0, below 1. */
  readonly random: () => number;
  readonly meter: RouteMeter;
};

export type Attempts = {
  send(request: RouteRequest): Promise<RouteResult>;
  state(): BreakerState;
};

/** What a route to another process is given and is. */
export type RoutePorts = AttemptsPorts & {
  /** Told what is not as it should be and does not stop the route. */
  readonly onProblem: (problem: string) => void;
};
export type RemoteRoute = Route & AsyncDisposable & Pick<Attempts, 'state'>;

const MAX_ATTEMPTS = 3;
/** Full jitter: from nothing up to twice as long at each turn. */
const FIRST_WAIT_MS = 50;
const MAX_WAIT_MS = 1_000;
const MAX_WAITING = 4_096;
/** Less cannot bring an answer, and would make an unknown of what was never sent. */
const LEAST_MS = 1;

/** `once` never rejects, and ends soon after its signal aborts. */
export function createAttempts(
  config: AttemptsConfig & { readonly slots: number },
  ports: AttemptsPorts,
  once: (request: RouteRequest, deadline: Deadline) => Promise<Attempted>,
): Attempts {
  const { timeoutMs, isIdempotent = false, maxAttempts = MAX_ATTEMPTS } = config;
  const { monotonic, random, meter } = ports;
  const breaker = new Breaker(config.breaker ?? DEFAULT_BREAKER, monotonic);
  const slots = new Slots(config.slots, MAX_WAITING);

  async function inTurn(request: RouteRequest, deadline: Deadline): Promise<Attempted> {
    const release = await slots.take(deadline.signal);
    if (release === undefined) return unsent(deadline.isLate() ? late(timeoutMs) : BUSY);
    try {
      // A place that comes with the end of the time is none.
      if (deadline.remainingMs() < LEAST_MS) return unsent(late(timeoutMs));
      const passage = breaker.enter();
      if (passage === undefined) {
        meter.refused();
        return unsent(resting(breaker.restMs));
      }
      const attempted = await once(request, deadline);
      passage(attempted.health === 'none' ? undefined : attempted.health === 'good');
      return attempted;
    } finally {
      release();
    }
  }

  const mayRepeat = ({ result, repeat }: Attempted): boolean =>
    result.kind === 'failure' && (repeat === 'unsent' || (repeat === 'recognised' && isIdempotent));

  return {
    state: () => breaker.state,
    async send(request) {
      using deadline = startDeadline(timeoutMs, request.signal, monotonic);
      let earlier: RouteResult | undefined;
      for (let attempt = 1; ; attempt += 1) {
        const attempted = await inTurn(request, deadline);
        const { result } = attempted;
        if (result.kind === 'response') return result;
        const failed = withHistory(result, earlier);
        const waitMs = random() * Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1));
        if (!mayRepeat(attempted) || attempt >= maxAttempts || waitMs >= deadline.remainingMs())
          return failed;
        earlier = failed;
        await pause(waitMs, deadline.signal);
        if (deadline.signal.aborted) return failed;
        meter.repeated();
      }
    },
  };
}

type Failure = Extract<RouteResult, { kind: 'failure' }>;

/** An attempt that may have taken effect is not undone by one that did not. */
function withHistory(result: Failure, earlier: RouteResult | undefined): Failure {
  if (earlier?.kind !== 'failure' || earlier.isWithoutEffect) return result;
  // What was never sent tells less than what was.
  return result.isWithoutEffect && result.status === RESTING
    ? earlier
    : { ...result, isWithoutEffect: false };
}

const RESTING = 'circuit_open';
const BUSY: Failure = {
  kind: 'failure',
  reason: 'upstream_failed',
  status: 'busy',
  detail: 'too much waits for the destination',
  isWithoutEffect: true,
};

function late(timeoutMs: number): Failure {
  return {
    kind: 'failure',
    reason: 'upstream_timeout',
    status: 'waiting',
    detail: `the destination had no place within ${timeoutMs} ms`,
    isWithoutEffect: true,
  };
}

function resting(restMs: number): Failure {
  return {
    kind: 'failure',
    reason: 'upstream_failed',
    status: RESTING,
    detail: `the destination failed too often and is left alone for ${Math.ceil(restMs)} ms`,
    isWithoutEffect: true,
  };
}

/** Not sent, and not worth sending again now. */
function unsent(result: Failure): Attempted {
  return { result, health: 'none', repeat: 'never' };
}
