/** What a gateway must be told. Addresses are `host:port`; who answers there is proved by SPIFFE name. */
import { ADDRESS } from '@sallyport/service/process';
import { doorProblems, type DoorConfig } from './door/config.ts';
import { DESTINATION, routeProblems, type RouteConfig } from './routes/config.ts';
import { TOKEN_DESTINATION } from './routes/token.ts';

export type { DoorConfig } from './door/config.ts';
export type { RouteConfig } from './routes/config.ts';

export type GatewayConfig = {
  readonly host: string;
  /** 0 takes a free port. */
  readonly httpsPort: number;
  readonly channelPort: number;
  readonly spoolDirectory: string;
  /** What may wait there; one sixteenth is kept for outcomes of what was begun. Default 256 MiB. */
  readonly spoolMaxBytes?: number;
  readonly authAddress: string;
  readonly keyAddress: string;
  readonly policyAddress: string;
  /** Holds the last good policy bundle. */
  readonly bundleDirectory: string;
  readonly policy?: {
    /** Decisions are denials when the bundle was last known to be the newest longer ago. Default 900,000 (docs/adr/0056). */
    readonly maxAgeMs?: number;
  };
  readonly revocations?: {
    /** Frames are refused, retryably, when nobody could say for so long what is revoked. Default 30,000. */
    readonly deadAfterMs?: number;
  };
  /** By destination. */
  readonly routes: Readonly<Record<string, RouteConfig>>;
  /** The Model Context Protocol door, on the HTTPS port. Absent: there is none. */
  readonly door?: DoorConfig;
};

/** As often as revocation is checked again (PROTOCOL.md "Session lifetime"). */
export const DEFAULT_POLICY_MAX_AGE_MS = 15 * 60_000;
/** PROTOCOL.md "Revocation". */
export const DEFAULT_DEAD_AFTER_MS = 30_000;
/** Below what a healthy feed shows, or with no bound that protects, neither says anything. */
export const POLICY_AGE_MS = { min: 1_000, max: 24 * 60 * 60_000 } as const;
/** Room for the decisions of a few frames of the largest size, and a bound on what a mistake takes of a disk. */
export const SPOOL_BYTES = { min: 256 * 1024, max: 1024 ** 4 } as const;
export const DEAD_AFTER_MS = { min: 1_000, max: 10 * 60_000 } as const;

/** All that is wrong, a sentence with its key each; empty = usable. */
export function configProblems(config: GatewayConfig): string[] {
  const problems: string[] = [];
  const demand = (isGood: boolean, key: string, want: string): void => {
    if (!isGood) problems.push(`${key} must be ${want}`);
  };
  for (const key of ['httpsPort', 'channelPort'] as const)
    demand(isWhole(config[key], 0, 65_535), key, 'a port from 0 (a free one) to 65535');
  for (const key of ['authAddress', 'keyAddress', 'policyAddress'] as const)
    demand(ADDRESS.test(config[key]), key, 'host:port');
  for (const key of ['host', 'spoolDirectory', 'bundleDirectory'] as const)
    demand(config[key] !== '', key, 'given');
  const bounded = (
    value: number | undefined,
    { min, max }: { min: number; max: number },
    key: string,
  ): void => demand(value === undefined || isWhole(value, min, max), key, `${min} to ${max}`);
  bounded(config.policy?.maxAgeMs, POLICY_AGE_MS, 'policy.maxAgeMs');
  bounded(config.revocations?.deadAfterMs, DEAD_AFTER_MS, 'revocations.deadAfterMs');
  bounded(config.spoolMaxBytes, SPOOL_BYTES, 'spoolMaxBytes');
  for (const [name, route] of Object.entries(config.routes)) {
    const key = `routes.${name}`;
    demand(name !== TOKEN_DESTINATION, key, 'named otherwise: that destination is built in');
    demand(DESTINATION.test(name), key, 'named with 1 to 255 printable characters and no blanks');
    problems.push(...routeProblems(key, route));
  }
  if (config.door !== undefined) problems.push(...doorProblems(config.door));
  return problems;
}

function isWhole(value: number, min: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= min && value <= max;
}
