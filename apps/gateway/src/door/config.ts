/** What the Model Context Protocol door must be told. */
import { ADDRESS, isPageOrigin, isPublicOrigin } from '@sallyport/service/process';
import { upstreamProblems, type ServersConfig } from './upstream/config.ts';

export type DoorConfig = {
  /** `https://host[:port]`, as clients reach it. Default: `https://localhost:` and the HTTPS port. */
  readonly publicOrigin?: string;
  /** Of access tokens. Default: the public origin. */
  readonly issuer?: string;
  /** Origins of web pages that may use the door besides its own; exact. */
  readonly allowedOrigins?: readonly string[];
  /** Takes tokens that are bound to no key: whoever has seen one can use it until it ends. */
  readonly allowBearerTokens: boolean;
  /** auth-service's HTTPS listener: sign-in, consent, tokens, metadata. Without it they are not served here. */
  readonly authHttpAddress?: string;
  /** Of one message. Default 1 MiB. */
  readonly maxBodyBytes?: number;
  /** Requests and streams under way. Default 8,192; beyond it 503 with Retry-After. */
  readonly maxConcurrent?: number;
  /** By route: a path segment each (`ROUTE_NAME`). */
  readonly servers: ServersConfig;
  /** Holds a folder for each principal of a server that runs here. Default: beside the last good policy bundle. */
  readonly workDirectory?: string;
  /** Where the commands of servers that run here are looked up, and all that those inherit. */
  readonly path?: string;
};

export const DOOR_BODY_BYTES = { default: 1024 * 1024, min: 1024, max: 16 * 1024 * 1024 } as const;
export const DOOR_CONCURRENT = { default: 8_192, min: 1, max: 65_536 } as const;

/** Of a server behind the door: a path segment, a policy name, a label. */
export const ROUTE_NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/u;

/** All that is wrong, a sentence with its key each; empty = usable. */
export function doorProblems(door: DoorConfig): string[] {
  const problems: string[] = [];
  const demand = (isGood: boolean, key: string, want: string): void => {
    if (!isGood) problems.push(`door.${key} must be ${want}`);
  };
  const within = (value: number | undefined, { min, max }: { min: number; max: number }, key: string): void =>
    demand(
      value === undefined || (Number.isSafeInteger(value) && value >= min && value <= max),
      key,
      `${min} to ${max}`,
    );
  demand(
    door.publicOrigin === undefined || isPublicOrigin(door.publicOrigin),
    'publicOrigin',
    'https://host[:port]',
  );
  demand(
    door.issuer === undefined || isIssuer(door.issuer),
    'issuer',
    'an https URL without query or fragment',
  );
  for (const [index, origin] of (door.allowedOrigins ?? []).entries())
    demand(isPageOrigin(origin), `allowedOrigins[${index}]`, 'scheme://host[:port], as a browser writes it');
  demand(
    door.authHttpAddress === undefined || ADDRESS.test(door.authHttpAddress),
    'authHttpAddress',
    'host:port',
  );
  for (const [route, server] of Object.entries(door.servers)) {
    demand(
      ROUTE_NAME.test(route),
      `servers.${route}`,
      'named with a-z, 0-9, "_" and "-", 63 characters at most',
    );
    problems.push(...upstreamProblems(`door.servers.${route}`, server));
  }
  within(door.maxBodyBytes, DOOR_BODY_BYTES, 'maxBodyBytes');
  within(door.maxConcurrent, DOOR_CONCURRENT, 'maxConcurrent');
  return problems;
}

/** RFC 8414 section 2. */
function isIssuer(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, search, hash } = new URL(value);
  return (
    protocol === 'https:' && search === '' && hash === '' && !value.includes('?') && !value.includes('#')
  );
}
