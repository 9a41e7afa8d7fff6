/** What a route must be told, and what is wrong with it. */
import { isIP } from 'node:net';
import type { AttemptsConfig } from './attempts.ts';
import type { BreakerConfig } from './breaker.ts';
import { egressProblem } from './egress.ts';
import { OWN_HEADER } from './message-headers.ts';
import type { CredentialConfig } from './secret-header.ts';

export type HttpRouteConfig = AttemptsConfig & {
  readonly kind: 'http';
  /** Messages are POSTed here. */
  readonly url: string;
  readonly maxResponseBytes: number;
  /** Default 5,000, or `timeoutMs` if that is less. */
  readonly connectTimeoutMs?: number;
  /** From the end of the request to the end of the answer's headers. Default `timeoutMs`. */
  readonly headersTimeoutMs?: number;
  /** Between two pieces of the answer. Default `timeoutMs`. */
  readonly bodyTimeoutMs?: number;
  /** Connections that are kept, and messages under way at a time. Default 64. */
  readonly maxConnections?: number;
  /**
   * Host names, addresses and networks that may be connected to, checked on the resolved address. Default: wherever the URL
   * leads. Link-local and metadata addresses must be named one by one either way.
   */
  readonly egress?: readonly string[];
  /** Trust roots in place of the public ones. */
  readonly caFile?: string;
  /** The gateway's own certificate for this destination. */
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly credential?: CredentialConfig;
};

export type NatsTarget = {
  /** `host:port`, tried in turn. */
  readonly servers: readonly string[];
  /** Also the name of the client: replies come on `_INBOX_<user>.>`. */
  readonly user: string;
  readonly passwordFile: string;
  readonly caFile?: string;
  /** Passwords and messages unprotected on the wire. */
  readonly allowInsecurePlaintext?: boolean;
};

export type NatsRouteConfig = AttemptsConfig & {
  readonly kind: 'nats';
  /** Without wildcards. */
  readonly subject: string;
  readonly maxResponseBytes: number;
  /** Messages under way at a time. Default 1,024. */
  readonly maxUnderWay?: number;
  /** Routes with the same target share a connection, which is not the bus. */
  readonly nats: NatsTarget;
};

export type RouteConfig =
  | HttpRouteConfig
  | NatsRouteConfig
  /** Answers with what it was sent: for the embedded profile only. */
  | { readonly kind: 'echo' };

/** Destinations are printable ASCII without blanks, at most 255 characters (docs/protocol.md section 7.1). */
export const DESTINATION = /^[\x21-\x7e]{1,255}$/u;
export const MAX_TIMEOUT_MS = 300_000;
export const MAX_RESPONSE_BYTES = 1024 * 1024;
/** Nothing of NATS' own (`$JS`, `_INBOX`), no wildcard, no empty token. */
export const SUBJECT = /^(?![$_])[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/u;
export const NATS_USER = /^[A-Za-z0-9_-]{1,64}$/u;
export const HEADER = /^[A-Za-z][A-Za-z0-9-]{0,63}$/u;
const SERVER = /^(?:\[[0-9a-f:]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/iu;
const HOP_HEADER =
  /^(?:host|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect|content-encoding|proxy-.*)$/iu;

export const BOUNDS = {
  maxConnections: [1, 1_024],
  maxUnderWay: [1, 65_536],
  maxAttempts: [1, 10],
  breaker: { minCalls: [1, 10_000], windowMs: [1_000, 600_000], openMs: [100, 600_000] },
} as const;

type Demand = (isGood: boolean, key: string, want: string) => void;

/** All that is wrong, a sentence with its key each; empty = usable. `key`: of the route. */
export function routeProblems(key: string, route: RouteConfig): string[] {
  const problems: string[] = [];
  const demand: Demand = (isGood, name, want) => {
    if (!isGood) problems.push(`${key}.${name} must be ${want}`);
  };
  if (route.kind === 'echo') return problems;
  whole(demand, 'timeoutMs', route.timeoutMs, [1, MAX_TIMEOUT_MS]);
  whole(demand, 'maxResponseBytes', route.maxResponseBytes, [1, MAX_RESPONSE_BYTES]);
  if (route.maxAttempts !== undefined) whole(demand, 'maxAttempts', route.maxAttempts, BOUNDS.maxAttempts);
  if (route.breaker !== undefined) breakerProblems(demand, route.breaker);
  if (route.kind === 'http') httpProblems(demand, route);
  else natsProblems(demand, route);
  return problems;
}

function httpProblems(demand: Demand, route: HttpRouteConfig): void {
  const url = URL.parse(route.url);
  demand(url?.protocol === 'http:' || url?.protocol === 'https:', 'url', 'an http or https URL');
  // They would be in every log of a proxy on the way, and undici does not send them.
  demand(url === null || (url.username === '' && url.password === ''), 'url', 'without credentials');
  for (const name of ['connectTimeoutMs', 'headersTimeoutMs', 'bodyTimeoutMs'] as const) {
    const value = route[name];
    if (value !== undefined) whole(demand, name, value, [1, MAX_TIMEOUT_MS]);
  }
  if (route.maxConnections !== undefined)
    whole(demand, 'maxConnections', route.maxConnections, BOUNDS.maxConnections);
  for (const [index, entry] of (route.egress ?? []).entries())
    demand(egressProblem(entry) === undefined, `egress[${index}]`, 'a host name, an address or a network');
  demand((route.certFile === undefined) === (route.keyFile === undefined), 'keyFile', 'given with certFile');
  for (const name of ['caFile', 'certFile', 'keyFile'] as const)
    demand(
      route[name] === undefined || url?.protocol !== 'http:',
      name,
      'left out for http: there is no TLS',
    );
  const { credential } = route;
  if (credential === undefined) return;
  const { header, prefix = '', secretFile } = credential;
  const isOurs = OWN_HEADER.test(header) || HOP_HEADER.test(header);
  demand(
    HEADER.test(header) && !isOurs,
    'credential.header',
    'a header that neither HTTP nor the gateway sets',
  );
  demand(/^[\x20-\x7e]*$/u.test(prefix), 'credential.prefix', 'visible ASCII');
  demand(secretFile !== '', 'credential.secretFile', 'given');
  const isPrivate = url === null || url.protocol === 'https:' || isLoopback(url.hostname);
  demand(isPrivate, 'credential', 'left out unless the URL is https or of this machine');
}

function natsProblems(demand: Demand, route: NatsRouteConfig): void {
  const { subject, maxUnderWay, nats } = route;
  demand(SUBJECT.test(subject) && subject.length <= 255, 'subject', 'a subject without wildcards');
  if (maxUnderWay !== undefined) whole(demand, 'maxUnderWay', maxUnderWay, BOUNDS.maxUnderWay);
  demand(nats.servers.length > 0, 'nats.servers', 'at least one host:port');
  for (const [index, server] of nats.servers.entries())
    demand(isServer(server), `nats.servers[${index}]`, 'host:port');
  demand(NATS_USER.test(nats.user), 'nats.user', '1 to 64 letters, digits, _ and -');
  demand(nats.passwordFile !== '', 'nats.passwordFile', 'given');
  const isProtected = nats.caFile !== undefined || nats.allowInsecurePlaintext === true;
  demand(isProtected, 'nats.caFile', 'given, or allowInsecurePlaintext set');
}

function isServer(text: string): boolean {
  const port = Number(SERVER.exec(text)?.[1] ?? 0);
  return port >= 1 && port <= 65_535;
}

function breakerProblems(demand: Demand, breaker: BreakerConfig): void {
  for (const name of ['minCalls', 'windowMs', 'openMs'] as const)
    whole(demand, `breaker.${name}`, breaker[name], BOUNDS.breaker[name]);
  const { failureRatio } = breaker;
  demand(failureRatio > 0 && failureRatio <= 1, 'breaker.failureRatio', 'above 0, at most 1');
}

function whole(demand: Demand, name: string, value: number, [min, max]: readonly [number, number]): void {
  demand(Number.isSafeInteger(value) && value >= min && value <= max, name, `${min} to ${max}`);
}

function isLoopback(hostname: string): boolean {
  const host = hostname.replaceAll(/[[\]]/gu, '');
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
