/**
 * Which eras a server speaks: asked once, remembered, asked again after a while because servers are upgraded.
 *
 * 2026-07-28 "Versioning", backward compatibility: `server/discover` first; anything but its result or an error of that
 * revision is a server of sessions. Its result does not say whether the server takes `initialize` too, so that is tried.
 */
import {
  isObject,
  member,
  META,
  UNSUPPORTED_PROTOCOL_VERSION,
  type Era,
  type Message,
  type Request,
} from '@sallyport/model-context';
import { UpstreamFailure } from '../ports.ts';

const CLIENT_INFO = { name: 'sallyport', version: '1' } as const;
const STATELESS = '2026-07-28';
const SESSION = '2025-11-25';

export const DISCOVER: Request = {
  jsonrpc: '2.0',
  id: 'sallyport-discover',
  method: 'server/discover',
  params: {
    _meta: {
      [META.protocolVersion]: STATELESS,
      [META.clientInfo]: CLIENT_INFO,
      [META.clientCapabilities]: {},
    },
  },
};

export const INITIALIZE: Request = {
  jsonrpc: '2.0',
  id: 'sallyport-initialize',
  method: 'initialize',
  params: { protocolVersion: SESSION, capabilities: {}, clientInfo: CLIENT_INFO },
};

/** Whether the answer to `DISCOVER` is of a server that speaks 2026-07-28; undefined: it is of that era, not that revision. */
export function isStateless(answer: Message | undefined): boolean | undefined {
  if (answer === undefined || 'method' in answer) return false;
  if ('error' in answer) return answer.error.code === UNSUPPORTED_PROTOCOL_VERSION ? undefined : false;
  const versions = member(answer.result, 'supportedVersions');
  return Array.isArray(versions) ? (versions as readonly unknown[]).includes(STATELESS) : false;
}

/** Whether the answer to `INITIALIZE` opened a session, in whatever revision. */
export function isSession(answer: Message | undefined): boolean {
  return (
    answer !== undefined &&
    'result' in answer &&
    isObject(answer.result) &&
    typeof member(answer.result, 'protocolVersion') === 'string'
  );
}

/** Of a server that answered; throws `UpstreamFailure` (`malformed`) when it speaks neither. */
export function erasOf(stateless: boolean | undefined, session: boolean): ReadonlySet<Era> {
  const eras = new Set<Era>();
  if (stateless === true) eras.add('stateless');
  if (session) eras.add('session');
  if (eras.size === 0)
    throw new UpstreamFailure('malformed', 'the server speaks no revision that is spoken here');
  return eras;
}

/** One asks at a time, whoever waits for it; a failure is not remembered. */
export class RememberedEras {
  readonly #ask: (signal: AbortSignal) => Promise<ReadonlySet<Era>>;
  readonly #monotonic: () => number;
  readonly #keepMs: number;
  readonly #ending: AbortController = new AbortController();
  #known: { readonly eras: ReadonlySet<Era>; readonly untilMs: number } | undefined;
  #asking: Promise<ReadonlySet<Era>> | undefined;

  /** `ask` ends in bounded time of its own. */
  constructor(
    ask: (signal: AbortSignal) => Promise<ReadonlySet<Era>>,
    keepMs: number,
    monotonic: () => number,
  ) {
    this.#ask = ask;
    this.#keepMs = keepMs;
    this.#monotonic = monotonic;
  }

  async get(signal: AbortSignal): Promise<ReadonlySet<Era>> {
    const known = this.#known;
    if (known !== undefined && this.#monotonic() < known.untilMs) return known.eras;
    const asking = this.#begin();
    // What is known stays good until something better is: an upgrade is noticed, nobody waits for it.
    return known === undefined ? unlessAborted(asking, signal) : known.eras;
  }

  stop(): void {
    this.#ending.abort();
  }

  #begin(): Promise<ReadonlySet<Era>> {
    if (this.#asking !== undefined) return this.#asking;
    const asking = this.#ask(this.#ending.signal).then(
      (eras) => {
        this.#known = { eras, untilMs: this.#monotonic() + this.#keepMs };
        this.#asking = undefined;
        return eras;
      },
      (error: unknown) => {
        this.#asking = undefined;
        throw error;
      },
    );
    // Nobody may be waiting for it any more.
    asking.catch(() => undefined);
    this.#asking = asking;
    return asking;
  }
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const cancelled = (): UpstreamFailure => new UpstreamFailure('cancelled', 'nobody waits any more');
  if (signal.aborted) throw cancelled();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(cancelled());
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
