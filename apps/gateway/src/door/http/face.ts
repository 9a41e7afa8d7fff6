import type { IncomingMessage, ServerResponse } from 'node:http';
import { within } from '../../app/within.ts';
import type { Mount } from '@sallyport/service/process';
import type { Log } from '@sallyport/service/log';
import type { Tracer } from '@sallyport/service/telemetry';
import type { Authenticate } from '../tokens/authenticate.ts';
import { answerProblem } from './answers.ts';
import { cors, preflight } from './cors.ts';
import { createExchanges } from './exchange.ts';
import type { Forward } from './forward.ts';
import { hostRules } from './hosts.ts';
import { liveExchanges, type LiveExchanges } from './live.ts';
import type { DoorMetrics } from './measure.ts';
import { answerMetadata } from './metadata.ts';
import { placeOf } from './paths.ts';
import { createPlaces, type Places } from './places.ts';
import type { DoorServers } from './servers.ts';
import { requestTraces } from './traces.ts';

export type DoorHttpPorts = {
  readonly publicOrigin: string;
  readonly issuer: string;
  readonly allowedOrigins: readonly string[];
  /** Where this process listens. */
  readonly port: number;
  readonly allowsBearer: boolean;
  readonly maxBodyBytes: number;
  readonly maxConcurrent: number;
  readonly servers: DoorServers;
  readonly authenticate: Authenticate;
  /** To auth-service; undefined: its paths are not served here. */
  readonly forward: Forward | undefined;
  /** Counted by source, and never attributed. */
  readonly countRefused: (peerAddress: string, cause: string) => void;
  readonly metrics: (gauges: { readonly underWay: () => number }) => DoorMetrics;
  readonly tracer: Tracer;
  readonly now: () => number;
  readonly monotonic: () => number;
  readonly log: Pick<Log, 'error' | 'warn' | 'debug'>;
  /** Default 15,000. */
  readonly keepAliveMs?: number;
  /** Of a body, from the moment its caller is known. Default 10,000. */
  readonly bodyDeadlineMs?: number;
};

export type DoorHttp = AsyncDisposable & {
  readonly mount: Mount;
  /** Requests and streams under way. */
  readonly underWay: number;
  /** Ends what is under way for a session that was revoked. */
  endSession(sessionId: string): void;
  /** Nobody can say any more what is revoked: nothing goes on. */
  endAll(): void;
};

const KEEP_ALIVE_MS = 15_000;
const BODY_DEADLINE_MS = 10_000;
/** For bodies of all requests together. */
const MAX_HELD_BYTES = 128 * 1024 * 1024;
/** What one principal may have of the places and of the bytes: one of so many. */
const SHARE = 4;
/** No principal's name: theirs follow a tenant and a space. */
const AUTHORIZATION_SERVER = 'authorization-server';
/** For connections that wait for their next request, and for probes. */
const IDLE_CONNECTIONS = 4_096;
/** For what is under way at shutdown. */
const DRAIN_MS = 5_000;

/**
 * To be mounted; listens nowhere itself. Disposing refuses what comes, ends streams that wait, and gives the rest five
 * seconds.
 */
export function createDoorHttp(ports: DoorHttpPorts): DoorHttp {
  const { publicOrigin, issuer, allowsBearer, maxConcurrent, now, forward } = ports;
  const hosts = hostRules(ports);
  const maxBytes = Math.max(MAX_HELD_BYTES, SHARE * ports.maxBodyBytes);
  const places: Places = createPlaces({
    maxExchanges: maxConcurrent,
    maxOfPrincipal: Math.max(1, Math.ceil(maxConcurrent / SHARE)),
    maxBytes,
    maxBytesOfPrincipal: maxBytes / SHARE,
  });
  const metrics = ports.metrics({ underWay: () => places.taken });
  const live: LiveExchanges = liveExchanges(now);
  const exchange = createExchanges({
    ...{ publicOrigin, allowsBearer, hosts, live, metrics, now },
    servers: ports.servers,
    authenticate: ports.authenticate,
    countRefused: ports.countRefused,
    monotonic: ports.monotonic,
    traces: requestTraces(ports.tracer, ports.monotonic),
    nowOfTraces: () => ports.tracer.nowMs(),
    maxBodyBytes: ports.maxBodyBytes,
    bodyDeadlineMs: ports.bodyDeadlineMs ?? BODY_DEADLINE_MS,
    keepAliveMs: ports.keepAliveMs ?? KEEP_ALIVE_MS,
    onDefect: (error) => ports.log.error('a defect of the door', { error }),
  });
  let isStopping = false;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A connection that breaks off is its client's business; without a listener it would be ours.
    response.on('error', () => undefined);
    const pathname = (request.url ?? '/').split('?', 1)[0] ?? '/';
    const place = placeOf(pathname);
    const peerAddress = request.socket.remoteAddress ?? '';
    const refuse = (status: number, cause: string, detail: string): void => {
      metrics.answered(undefined, 'refused', status, 0);
      ports.countRefused(peerAddress, cause);
      answerProblem(response, status, detail);
    };
    const { host = [], origin = [] } = request.headersDistinct;
    if (host.length !== 1 || !hosts.isHost(host[0]))
      return refuse(421, 'host', 'This gateway is not known by that name.');
    if (place?.kind === 'metadata')
      return answerMetadata(request, response, pathname, { publicOrigin, issuer, allowsBearer });
    if (place?.kind === 'authorization_server' && forward !== undefined) {
      const taken = isStopping ? undefined : places.take();
      if (taken === undefined) return shed(response);
      using _place = { [Symbol.dispose]: () => taken.leave() };
      // Of nobody known: together they have one share, so that the door stays open to those who are.
      if (!taken.belongTo(AUTHORIZATION_SERVER)) return shed(response);
      return await forward(request, response, taken);
    }
    if (place?.kind !== 'door') return refuse(404, 'path', 'There is nothing here. The door is at /mcp.');
    if (origin.length > 1 || (origin[0] !== undefined && !hosts.isOrigin(origin[0])))
      return refuse(403, 'origin', 'Web pages of that origin may not use this gateway.');
    if (origin[0] !== undefined) cors(response, origin[0]);
    if (request.method === 'OPTIONS') return preflight(request, response);
    const taken = isStopping ? undefined : places.take();
    if (taken === undefined) return shed(response);
    try {
      await exchange({ request, response, route: place.route, peerAddress, place: taken });
    } finally {
      taken.leave();
    }
  }

  function shed(response: ServerResponse): void {
    metrics.shed();
    metrics.answered(undefined, 'refused', 503, 0);
    answerProblem(
      response,
      503,
      isStopping
        ? 'This gateway is stopping. Try again.'
        : 'There is no room for this request now. Try again.',
      isStopping ? { connection: 'close' } : {},
    );
  }

  return {
    mount: {
      matches: (pathname) => placeOf(pathname) !== undefined,
      handle,
      maxConnections: maxConcurrent + IDLE_CONNECTIONS,
    },
    get underWay() {
      return places.taken;
    },
    endSession: (sessionId) => live.endSession(sessionId),
    endAll: () => live.endAll(),
    async [Symbol.asyncDispose]() {
      isStopping = true;
      live.endWaiting();
      await within(DRAIN_MS, places.idle());
      live.endAll();
    },
  };
}
