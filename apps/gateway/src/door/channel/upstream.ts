/** A server that is attached over the secure channel, as the layers above see it, and where it attaches. */
import type { Route } from '../../app/ports.ts';
import type { Upstream } from '../ports.ts';
import { DEFAULTS, type ChannelUpstreamConfig } from '../upstream/config.ts';
import { conversing } from '../upstream/conversing.ts';
import type { UpstreamPorts } from '../upstream/ports.ts';
import { createAttachable } from './served.ts';
import type { ServedSessionsPorts } from './served-sessions.ts';

export type ChannelUpstream = {
  readonly upstream: Upstream;
  /** For the destination `mcp-serve/<route>`. */
  readonly destination: Route;
};

/** As docs/protocol.md section 13 has them. */
const WAITS = { waitMs: 20_000, keepMs: 60_000 } as const;
/** Another server may attach, and speak something else. */
const ERAS_KEPT_MS = 60_000;
const MAX_PENDING_BYTES = 16 * 1024 * 1024;

/** Connects to nothing: until a server attaches, exchanges reject with `UpstreamFailure` (`unreachable`). */
export function channelUpstream(
  { principal }: ChannelUpstreamConfig,
  ports: Pick<UpstreamPorts, 'route' | 'meter' | 'monotonic' | 'randomBytes' | 'log'>,
): ChannelUpstream {
  const { route, log, meter, monotonic } = ports;
  let onEnd: ServedSessionsPorts['onEnd'] = () => undefined;
  const attachable = createAttachable({
    ...{ principal, monotonic, ...WAITS },
    onEnd: (served) => onEnd(served),
    maxSessions: DEFAULTS.maxConcurrent,
    maxPerPrincipal: DEFAULTS.maxPerPrincipal,
    maxPendingBytes: MAX_PENDING_BYTES,
    maxMessageBytes: DEFAULTS.maxMessageBytes,
    maxExchangeBytes: DEFAULTS.maxExchangeBytes,
    requestIdleMs: DEFAULTS.requestIdleMs,
    startTimeoutMs: DEFAULTS.startTimeoutMs,
    idleEndMs: DEFAULTS.idleEndMs,
    onMalformed(_line, why) {
      meter.malformed();
      log.warn('an attached server said something else than the protocol', { route, why });
    },
    onAttached: (who) => log.info('a server attached', { route, principal: who }),
    onDetached: (why) => log.info('a server is no longer attached', { route, why }),
  });
  const upstream = conversing(
    (tell) => {
      onEnd = tell;
      return attachable.sessions;
    },
    {
      maxConcurrent: DEFAULTS.maxConcurrent,
      maxPerPrincipal: DEFAULTS.maxPerPrincipal,
      startTimeoutMs: DEFAULTS.startTimeoutMs,
      erasKeptMs: ERAS_KEPT_MS,
    },
    ports,
  );
  return {
    upstream: {
      ...upstream,
      async [Symbol.asyncDispose]() {
        attachable[Symbol.dispose]();
        await upstream[Symbol.asyncDispose]();
      },
    },
    destination: attachable.destination,
  };
}
