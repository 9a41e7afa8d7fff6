/** What a server of the Model Context Protocol behind the gateway must be told, and what is wrong with it. */
import { isAbsolute } from 'node:path';
import type { BreakerConfig } from '../../routes/breaker.ts';
import { routeProblems } from '../../routes/config.ts';
import type { CredentialConfig } from '../../routes/secret-header.ts';

/** Bounds that every kind has. */
export type ExchangeBounds = {
  /** One message of the server. Default 4 MiB. */
  readonly maxMessageBytes?: number;
  /** All that one request is answered with; of a stream that stays open, within any ten minutes. Default 64 MiB. */
  readonly maxExchangeBytes?: number;
  /** Exchanges under way at a time, streams among them; beyond it `busy`. Default 1,024. */
  readonly maxConcurrent?: number;
  /** Of these, so many for one principal. Default 256. */
  readonly maxPerPrincipal?: number;
};

export type HttpUpstreamConfig = ExchangeBounds & {
  readonly kind: 'http';
  /** The server's endpoint of Streamable HTTP. */
  readonly url: string;
  /** Host names, addresses and networks that may be connected to, checked on the resolved address (routes/egress.ts). */
  readonly egress?: readonly string[];
  /** Trust roots in place of the public ones. */
  readonly caFile?: string;
  /** The gateway's own certificate for this server. */
  readonly certFile?: string;
  readonly keyFile?: string;
  /** The one credential that the server is shown. Nothing of the caller's is ever passed on. */
  readonly credential?: CredentialConfig;
  /** Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** From the request to the end of the answer's headers: a server that answers in JSON works meanwhile. Default 300,000. */
  readonly headersTimeoutMs?: number;
  /** Between two pieces of an answer; not of streams that wait for the server. Default 300,000. */
  readonly idleTimeoutMs?: number;
  /** Over a whole answer; absent = none, for streams may be long. */
  readonly totalTimeoutMs?: number;
  readonly breaker?: BreakerConfig;
};

export type StdioUpstreamConfig = ExchangeBounds & {
  readonly kind: 'stdio';
  /** An absolute path, or a name that is looked up in PATH. No shell is involved. */
  readonly command: string;
  readonly args?: readonly string[];
  /** Beside PATH, HOME and LANG, which it may replace. Nothing else of the gateway's environment is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  /** Variables whose value is the one line of a file: secrets. */
  readonly envFiles?: Readonly<Record<string, string>>;
  /** Default: the work folder of the principal, which is also HOME. */
  readonly cwd?: string;
  /** Default 16. */
  readonly maxChildren?: number;
  /** Default 4. */
  readonly maxChildrenPerPrincipal?: number;
  /** From the start to the first answer. Default 20,000. */
  readonly startTimeoutMs?: number;
  /** Between two messages that belong to a request. Default 300,000. */
  readonly requestIdleMs?: number;
  /** Without a request or a listener: the child is ended. Default 300,000. */
  readonly idleEndMs?: number;
  /** After it a child takes no new requests and is ended as soon as it has none. Default 12 hours. */
  readonly lifetimeMs?: number;
  /** Resident memory of the child and its descendants together; beyond it they are killed. Default 1 GiB. Linux only. */
  readonly maxMemoryBytes?: number;
};

/** A server that attaches over the secure channel as this principal (`workload:search`). */
export type ChannelUpstreamConfig = {
  readonly kind: 'channel';
  readonly principal: string;
};

export type UpstreamConfig = HttpUpstreamConfig | StdioUpstreamConfig;
/** By route name (`ROUTE_NAME`). */
export type ServersConfig = Readonly<Record<string, UpstreamConfig | ChannelUpstreamConfig>>;

const KIB = 1024;
const MIB = 1024 * KIB;
const HOUR_MS = 3_600_000;

export const DEFAULTS = {
  maxMessageBytes: 4 * MIB,
  maxExchangeBytes: 64 * MIB,
  maxConcurrent: 1_024,
  maxPerPrincipal: 256,
  connectTimeoutMs: 5_000,
  headersTimeoutMs: 300_000,
  idleTimeoutMs: 300_000,
  maxChildren: 16,
  maxChildrenPerPrincipal: 4,
  startTimeoutMs: 20_000,
  requestIdleMs: 300_000,
  idleEndMs: 300_000,
  lifetimeMs: 12 * HOUR_MS,
  maxMemoryBytes: 1024 * MIB,
} as const;

export const BOUNDS = {
  maxMessageBytes: [1 * KIB, 64 * MIB],
  maxExchangeBytes: [1 * KIB, 4_096 * MIB],
  maxConcurrent: [1, 8_192],
  maxPerPrincipal: [1, 8_192],
  connectTimeoutMs: [1, 300_000],
  headersTimeoutMs: [1, 24 * HOUR_MS],
  idleTimeoutMs: [1, 24 * HOUR_MS],
  totalTimeoutMs: [1, 7 * 24 * HOUR_MS],
  maxChildren: [1, 1_024],
  maxChildrenPerPrincipal: [1, 1_024],
  startTimeoutMs: [1, 600_000],
  requestIdleMs: [1, 24 * HOUR_MS],
  idleEndMs: [1, 24 * HOUR_MS],
  lifetimeMs: [1, 30 * 24 * HOUR_MS],
  maxMemoryBytes: [16 * MIB, 1024 * 1024 * MIB],
} as const satisfies Readonly<Record<string, readonly [number, number]>>;

/** POSIX section 8.1, and nothing with which a loader is told to run something else. */
export const VARIABLE = /^(?!(?:LD_|DYLD_|GLIBC_TUNABLES$|SALLYPORT_))[A-Za-z_][A-Za-z0-9_]{0,127}$/u;
/** Headers that this protocol sets, beside those that every route does. */
const OWN_HEADER = /^(?:mcp-.*|accept|accept-encoding|last-event-id|origin|user-agent)$/iu;
export const PRINCIPAL = /^(?:user|workload|device):[a-z0-9._-]{1,64}$/u;

/** All that is wrong, a sentence with its key each; empty = usable. `key`: of the server. */
export function upstreamProblems(key: string, server: UpstreamConfig | ChannelUpstreamConfig): string[] {
  const problems: string[] = [];
  const demand = (isGood: boolean, name: string, want: string): void => {
    if (!isGood) problems.push(`${key}.${name} must be ${want}`);
  };
  if (server.kind === 'channel') {
    demand(PRINCIPAL.test(server.principal), 'principal', 'user:, workload: or device: and a name');
    return problems;
  }
  for (const [name, [min, max]] of Object.entries(BOUNDS)) {
    const value = (server as Readonly<Record<string, unknown>>)[name];
    if (value !== undefined)
      demand(
        Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
        name,
        `${min} to ${max}`,
      );
  }
  if (server.kind === 'http') return [...problems, ...httpProblems(key, server)];
  stdioProblems(demand, server);
  return problems;
}

/** A URL, trust and a credential are what a route has: the same demands. */
function httpProblems(key: string, server: HttpUpstreamConfig): string[] {
  const { url, egress, caFile, certFile, keyFile, credential, breaker } = server;
  const isOurs = credential !== undefined && OWN_HEADER.test(credential.header);
  return [
    ...(isOurs ? [`${key}.credential.header must be a header that the protocol does not have`] : []),
    ...routeProblems(key, {
      ...{ kind: 'http', url, timeoutMs: 1, maxResponseBytes: 1 },
      ...(egress === undefined ? {} : { egress }),
      ...(caFile === undefined ? {} : { caFile }),
      ...(certFile === undefined ? {} : { certFile }),
      ...(keyFile === undefined ? {} : { keyFile }),
      ...(credential === undefined ? {} : { credential }),
      ...(breaker === undefined ? {} : { breaker }),
    }),
  ];
}

function stdioProblems(
  demand: (isGood: boolean, name: string, want: string) => void,
  { command, args = [], env = {}, envFiles = {}, cwd }: StdioUpstreamConfig,
): void {
  const isPlain = (text: string): boolean => !text.includes('\0');
  demand(
    command !== '' && isPlain(command) && (!command.includes('/') || isAbsolute(command)),
    'command',
    'an absolute path or a name in PATH',
  );
  demand(cwd === undefined || (isAbsolute(cwd) && isPlain(cwd)), 'cwd', 'an absolute path');
  for (const [index, arg] of args.entries()) demand(isPlain(arg), `args[${index}]`, 'text without NUL');
  for (const [name, value] of Object.entries(env))
    demand(VARIABLE.test(name) && isPlain(value), `env.${name}`, 'a variable that a server may be given');
  for (const name of Object.keys(envFiles)) {
    demand(VARIABLE.test(name), `envFiles.${name}`, 'a variable that a server may be given');
    demand(!Object.hasOwn(env, name), `envFiles.${name}`, 'left out where env has it');
  }
}
