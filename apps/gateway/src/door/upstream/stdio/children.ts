/** The children of one server: how many, for whom, how long; started with a growing rest after failures, ended in order. */
import { toHex } from '@sallyport/crypto';
import type { Era } from '@sallyport/model-context';
import { pause } from '../../../routes/deadline.ts';
import { UpstreamFailure } from '../../ports.ts';
import { DEFAULTS, type StdioUpstreamConfig } from '../config.ts';
import type { ChildEnd } from '../measure.ts';
import { Admission, type Owner } from '../owners.ts';
import type { UpstreamPorts } from '../ports.ts';
import { BackOff } from './back-off.ts';
import { ChildLog } from './child-log.ts';
import { startChild, type Child } from './child.ts';
import { Conversation } from './conversation.ts';
import { findGuard, launchOf } from './environment.ts';
import { ownMark } from './marks.ts';
import { descendants, family, processes, signalTo } from './processes.ts';

/** Each step of the ladder by which a child is ended. */
const GRACE_MS = 2_000;
/** Younger than this when it ends by itself: that is a failure. */
const STURDY_MS = 60_000;
/** A rest so short is waited for; a longer one is said. */
const PATIENCE_MS = 1_000;
const MEMORY_EVERY_MS = 2_000;
/** Every so many looks at memory. */
const ALL_EVERY = 5;
const START = 'start';

export type Served = {
  readonly owner: Owner;
  readonly conversation: Conversation;
  readonly startedMs: number;
  /** No new requests: its time is over, or it ends. */
  isLeaving: boolean;
  stop(why: ChildEnd, failure?: UpstreamFailure): Promise<void>;
};

export type Children = AsyncDisposable & {
  /** Counted against the bounds unless it is a probe of our own. Throws `UpstreamFailure`. */
  start(owner: Owner, era: Era, signal: AbortSignal, kind?: 'probe'): Promise<Served>;
  readonly all: ReadonlySet<Served>;
  trouble(): string | undefined;
};

/**
 * None is started yet. `onEnd`: of each, after it was taken off the list. Disposing starts no more and waits until
 * nothing is left of any.
 */
export function startedChildren(
  config: StdioUpstreamConfig,
  ports: UpstreamPorts,
  onEnd: (served: Served) => void,
): Children {
  const { route, log, meter, monotonic, randomBytes } = ports;
  const {
    maxChildren = DEFAULTS.maxChildren,
    maxChildrenPerPrincipal = DEFAULTS.maxChildrenPerPrincipal,
    maxMessageBytes = DEFAULTS.maxMessageBytes,
    maxExchangeBytes = DEFAULTS.maxExchangeBytes,
    requestIdleMs = DEFAULTS.requestIdleMs,
    startTimeoutMs = DEFAULTS.startTimeoutMs,
    idleEndMs = DEFAULTS.idleEndMs,
    lifetimeMs = DEFAULTS.lifetimeMs,
    maxMemoryBytes = DEFAULTS.maxMemoryBytes,
  } = config;
  const admission = new Admission(maxChildren, maxChildrenPerPrincipal, 'child processes');
  const backOff = new BackOff(monotonic);
  const childLog = new ChildLog(log, route, monotonic);
  const all = new Set<Served>();
  const pids = new Map<Served, number>();
  const marks = ownMark();
  const guard = findGuard(ports.path);
  let isClosing = false;

  /** Where there is no place, a child of the same principal that nobody uses makes room. Never another's. */
  async function enter(owner: Owner): Promise<() => void> {
    try {
      return admission.enter(owner);
    } catch (error) {
      const [idle] = [...all]
        .filter((each) => each.owner === owner && each.conversation.idleSinceMs !== undefined)
        .toSorted((a, b) => (a.conversation.idleSinceMs ?? 0) - (b.conversation.idleSinceMs ?? 0));
      if (idle === undefined) throw error;
      await idle.stop('idle');
      return admission.enter(owner);
    }
  }

  async function rest(owner: Owner, signal: AbortSignal): Promise<void> {
    const wait = Math.max(backOff.waitMs(START), backOff.waitMs(owner));
    if (wait > PATIENCE_MS)
      throw new UpstreamFailure('busy', `the server ended too often and rests for ${Math.ceil(wait)} ms`);
    if (wait > 0) await pause(wait, signal);
    if (signal.aborted) throw new UpstreamFailure('cancelled', 'the client is gone');
    if (isClosing) throw new UpstreamFailure('busy', 'the gateway is stopping');
  }

  async function start(owner: Owner, era: Era, signal: AbortSignal, kind?: 'probe'): Promise<Served> {
    await rest(owner, signal);
    const release = kind === 'probe' ? () => undefined : await enter(owner);
    let child: Child | undefined;
    try {
      const own = await marks;
      const mark = own === '' ? '' : `${own}.${toHex(randomBytes(16))}`;
      const launch = await launchOf(config, ports, { owner, mark, guard: await guard });
      if (isClosing) throw new UpstreamFailure('busy', 'the gateway is stopping');
      const startedMs = monotonic();
      child = startChild(launch, {
        ...{ mark, maxLineBytes: maxMessageBytes, maxPendingBytes: 2 * maxMessageBytes },
        ...{ graceMs: GRACE_MS, log: childLog },
        onLine: (line) => hear(served, line),
        onEnd: ({ why, failure, said }) => {
          if (!isOrderly(why))
            log.warn('a server process ended', { route, why, problem: failure.message, said });
          ended(served, why, failure, release);
        },
      });
      const served = serve(child, owner, era, startedMs);
      if (child.pid !== undefined) pids.set(served, child.pid);
      all.add(served);
      meter.childStarted();
      return served;
    } catch (error) {
      if (child === undefined) release();
      if (error instanceof UpstreamFailure) throw error;
      backOff.failed(START);
      const why = error instanceof TypeError ? error.message : 'it cannot be started';
      log.warn('a server cannot be started', { route, error });
      throw new UpstreamFailure('unreachable', `the server cannot be started: ${why}`, { cause: error });
    }
  }

  function serve(child: Child, owner: Owner, era: Era, startedMs: number): Served {
    const conversation = new Conversation(child, {
      ...{ era, maxMessageBytes, maxExchangeBytes, requestIdleMs, startTimeoutMs, monotonic },
      onMalformed(line, why) {
        meter.malformed();
        childLog.line('a server wrote something else than the protocol', `${why} ${line}`);
      },
    });
    const late = setTimeout(() => {
      if (conversation.isAnswering) return;
      const failure = new UpstreamFailure('timeout', `the server said nothing for ${startTimeoutMs} ms`);
      void child.stop('defect', { failure, isUrgent: true });
    }, startTimeoutMs);
    late.unref();
    const served: Served = {
      ...{ owner, conversation, startedMs, isLeaving: false },
      stop(why, failure) {
        served.isLeaving = true;
        return child.stop(why, failure === undefined ? {} : { failure, isUrgent: true });
      },
    };
    return served;
  }

  function hear(served: Served, line: Uint8Array): void {
    const wasAnswering = served.conversation.isAnswering;
    served.conversation.hear(line);
    if (!wasAnswering && served.conversation.isAnswering) backOff.worked(START);
  }

  function ended(served: Served, why: ChildEnd, failure: UpstreamFailure, release: () => void): void {
    const { conversation, owner, startedMs } = served;
    served.isLeaving = true;
    all.delete(served);
    pids.delete(served);
    release();
    meter.childEnded(why);
    const wasOrderly = isOrderly(why);
    const age = monotonic() - startedMs;
    if (wasOrderly || age >= STURDY_MS) backOff.worked(owner);
    else backOff.failed(owner);
    if (!wasOrderly && !conversation.isAnswering) backOff.failed(START);
    conversation.end(failure, wasOrderly);
    onEnd(served);
  }

  function sweep(): void {
    const now = monotonic();
    for (const served of all) {
      const { conversation, startedMs } = served;
      const { idleSinceMs, underWay } = conversation;
      const isOld = now - startedMs > lifetimeMs;
      if (isOld) served.isLeaving = true;
      const isIdle = idleSinceMs !== undefined && now - idleSinceMs > idleEndMs;
      // Whatever still goes on after that does not end by itself.
      const isOverdue = now - startedMs > lifetimeMs + requestIdleMs;
      if (isIdle || (isOld && underWay === 0) || isOverdue) void served.stop('idle');
    }
  }

  let isLooking = false;
  let looks = 0;
  async function lookAtMemory(): Promise<void> {
    if (pids.size === 0 || isLooking) return;
    isLooking = true;
    // All processes of the machine are many: their family alone most of the time, and whoever left it every so often.
    looks += 1;
    const seen = looks % ALL_EVERY === 0 ? await processes() : undefined;
    const families = await Promise.all(
      [...pids].map(async ([served, pid]) => {
        const members = seen === undefined ? await descendants(pid) : family(seen, pid);
        return [served, members] as const;
      }),
    );
    isLooking = false;
    for (const [served, members] of families) {
      const bytes = members.reduce((sum, { residentBytes }) => sum + residentBytes, 0);
      if (bytes <= maxMemoryBytes) continue;
      log.warn('a server process takes too much memory', { route, bytes, maxMemoryBytes });
      void served.stop(
        'memory',
        new UpstreamFailure('broke_off', 'the server was ended: it took too much memory'),
      );
      for (const { pid: member } of members) signalTo(member, 'SIGKILL');
    }
  }

  const sweeping = setInterval(sweep, Math.min(5_000, Math.max(20, idleEndMs / 4)));
  const watching = setInterval(() => void lookAtMemory(), MEMORY_EVERY_MS);
  sweeping.unref();
  watching.unref();

  return {
    start,
    all,
    trouble() {
      const failures = backOff.failuresOf(START);
      return failures === 0 ? undefined : `it could not be started ${failures} times in a row`;
    },
    async [Symbol.asyncDispose]() {
      isClosing = true;
      clearInterval(sweeping);
      clearInterval(watching);
      await Promise.all([...all].map((served) => served.stop('stopped')));
    },
  };
}

/** Nothing to tell anybody about. */
const isOrderly = (why: ChildEnd): boolean => why === 'idle' || why === 'ended' || why === 'stopped';
