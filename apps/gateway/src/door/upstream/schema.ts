/** A server as it is written in a configuration file, and what `openUpstream` is given of it. */
import {
  bytes,
  checked,
  duration,
  integer,
  list,
  object,
  optional,
  path,
  record,
  secretFile,
  string,
  url,
  variants,
  type Infer,
} from '@sallyport/service/config';
import { trustRootsFile } from '@sallyport/service/process';
import { DEFAULT_BREAKER } from '../../routes/breaker.ts';
import { BOUNDS as ROUTE_BOUNDS, HEADER } from '../../routes/config.ts';
import { ROUTE_NAME } from '../config.ts';
import {
  BOUNDS,
  PRINCIPAL,
  upstreamProblems,
  VARIABLE,
  type ChannelUpstreamConfig,
  type UpstreamConfig,
} from './config.ts';
import { gatewayPath, HINT, serverFileProblems } from './files.ts';

const range = ([min, max]: readonly [number, number]) => ({ min, max });
const { windowMs, openMs, minCalls } = ROUTE_BOUNDS.breaker;

const bounds = {
  maxMessage: optional(bytes(range(BOUNDS.maxMessageBytes))),
  maxExchange: optional(bytes(range(BOUNDS.maxExchangeBytes))),
  maxConcurrent: optional(integer(range(BOUNDS.maxConcurrent))),
  maxPerPrincipal: optional(integer(range(BOUNDS.maxPerPrincipal))),
};

const kinds = variants(
  {
    http: object({
      /** The endpoint of Streamable HTTP. */
      url: url({ protocols: ['http', 'https'] }),
      ...bounds,
      /** Host names, addresses and networks; without it, wherever the URL leads. */
      egress: optional(list(string({ maxLength: 255 }), { minItems: 1 })),
      caFile: optional(trustRootsFile()),
      certFile: optional(path()),
      keyFile: optional(secretFile()),
      /** The one credential that the server is shown: callers' tokens are never passed on. */
      credential: optional(
        object({
          header: string({ default: 'Authorization', pattern: HEADER }),
          prefix: optional(string({ minLength: 0, maxLength: 64 })),
          secretFile: secretFile(),
        }),
      ),
      connectTimeout: optional(duration(range(BOUNDS.connectTimeoutMs))),
      headersTimeout: optional(duration(range(BOUNDS.headersTimeoutMs))),
      idleTimeout: optional(duration(range(BOUNDS.idleTimeoutMs))),
      totalTimeout: optional(duration(range(BOUNDS.totalTimeoutMs))),
      breaker: object({
        minCalls: integer({ default: DEFAULT_BREAKER.minCalls, ...range(minCalls) }),
        failurePercent: integer({ default: DEFAULT_BREAKER.failureRatio * 100, min: 1, max: 100 }),
        window: duration({ default: DEFAULT_BREAKER.windowMs, ...range(windowMs) }),
        open: duration({ default: DEFAULT_BREAKER.openMs, ...range(openMs) }),
      }),
    }),
    stdio: object({
      /** An absolute path, or a name that is looked up in PATH. */
      command: string(),
      args: list(string({ minLength: 0 })),
      ...bounds,
      env: record(string({ minLength: 0, maxLength: 32_768 }), { keyPattern: VARIABLE }),
      /** Variables whose value is in a file. */
      envFiles: record(secretFile(), { keyPattern: VARIABLE }),
      cwd: optional(path()),
      maxChildren: optional(integer(range(BOUNDS.maxChildren))),
      maxChildrenPerPrincipal: optional(integer(range(BOUNDS.maxChildrenPerPrincipal))),
      startTimeout: optional(duration(range(BOUNDS.startTimeoutMs))),
      requestIdle: optional(duration(range(BOUNDS.requestIdleMs))),
      idleEnd: optional(duration(range(BOUNDS.idleEndMs))),
      lifetime: optional(duration(range(BOUNDS.lifetimeMs))),
      maxMemory: optional(bytes(range(BOUNDS.maxMemoryBytes))),
    }),
    /** Attaches over the secure channel. */
    channel: object({ principal: string({ pattern: PRINCIPAL }) }),
  },
  'http',
);

/** `kind: http` (which is also what it is without `kind`), `stdio` or `channel`. */
export const serverSchema = checked(kinds, (written) => {
  const server = serverConfigOf(written);
  const problems = upstreamProblems('', server).map((problem) => {
    const [, key = '', what = ''] = /^\.(\S+) (.*)$/u.exec(problem) ?? [];
    return { key: keyOf(key), what, hint: HINT };
  });
  if (problems.length > 0 || server.kind === 'channel') return problems;
  return serverFileProblems(server, gatewayPath());
});

/** By route name. */
export const serversSchema = record(serverSchema, { keyPattern: ROUTE_NAME });

export type WrittenServer = Infer<typeof kinds>;

/** As the upstreams take it: units in the names, a ratio for a percentage; what was not written stays absent. Total. */
export function serverConfigOf(written: WrittenServer): UpstreamConfig | ChannelUpstreamConfig {
  if (written.kind === 'channel') return { kind: 'channel', principal: written.principal };
  const shared = {
    maxMessageBytes: written.maxMessage,
    maxExchangeBytes: written.maxExchange,
    maxConcurrent: written.maxConcurrent,
    maxPerPrincipal: written.maxPerPrincipal,
  };
  if (written.kind === 'stdio') {
    const { command, args, env, envFiles, cwd, maxChildren, maxChildrenPerPrincipal } = written;
    return {
      ...{ kind: 'stdio', command, args, env, envFiles },
      ...defined({
        ...shared,
        ...{ cwd, maxChildren, maxChildrenPerPrincipal },
        startTimeoutMs: written.startTimeout,
        requestIdleMs: written.requestIdle,
        idleEndMs: written.idleEnd,
        lifetimeMs: written.lifetime,
        maxMemoryBytes: written.maxMemory,
      }),
    };
  }
  const { egress, caFile, certFile, keyFile, credential, breaker } = written;
  return {
    kind: 'http',
    url: written.url,
    breaker: {
      minCalls: breaker.minCalls,
      failureRatio: breaker.failurePercent / 100,
      windowMs: breaker.window,
      openMs: breaker.open,
    },
    ...defined({
      ...shared,
      ...{ egress, caFile, certFile, keyFile },
      credential: credential === undefined ? undefined : defined(credential),
      connectTimeoutMs: written.connectTimeout,
      headersTimeoutMs: written.headersTimeout,
      idleTimeoutMs: written.idleTimeout,
      totalTimeoutMs: written.totalTimeout,
    }),
  };
}

/** The name of a problem's key in the file: there a unit is in the value. A list is pointed at as a whole. */
function keyOf(text: string): readonly string[] {
  return text
    .split('.')
    .map((part) =>
      part === 'failureRatio'
        ? 'failurePercent'
        : part.replace(/\[\d+\]$/u, '').replace(/(?<=[a-z])(?:Ms|Bytes)$/u, ''),
    );
}

type Defined<T> = { readonly [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  readonly [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** Without the keys whose value is undefined. */
function defined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Defined<T>;
}
