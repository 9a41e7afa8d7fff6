/** A route as it is written in a configuration file, and what `composeGateway` is given of it. */
import {
  boolean,
  bytes,
  checked,
  duration,
  integer,
  list,
  object,
  optional,
  path,
  secretFile,
  string,
  url,
  variants,
  type Infer,
} from '@sallyport/service/config';
import { trustRootsFile } from '@sallyport/service/process';
import { DEFAULT_BREAKER } from './breaker.ts';
import { routeFileProblems } from './files.ts';
import {
  BOUNDS,
  HEADER,
  MAX_RESPONSE_BYTES,
  MAX_TIMEOUT_MS,
  NATS_USER,
  routeProblems,
  SUBJECT,
  type RouteConfig,
} from './config.ts';

const SECOND_MS = 1_000;
const range = ([min, max]: readonly [number, number]) => ({ min, max });
const timeout = { min: 1, max: MAX_TIMEOUT_MS };
const { windowMs, openMs, minCalls } = BOUNDS.breaker;

const common = {
  /** Over everything: all attempts, the whole answer. */
  timeout: duration({ default: 10 * SECOND_MS, ...timeout }),
  maxResponse: bytes({ default: 64 * 1024, min: 1, max: MAX_RESPONSE_BYTES }),
  /** The destination recognises the idempotency key: what may have been carried out may be sent again. */
  idempotent: boolean({ default: false }),
  maxAttempts: integer({ default: 3, ...range(BOUNDS.maxAttempts) }),
  breaker: object({
    minCalls: integer({ default: DEFAULT_BREAKER.minCalls, ...range(minCalls) }),
    failurePercent: integer({ default: DEFAULT_BREAKER.failureRatio * 100, min: 1, max: 100 }),
    window: duration({ default: DEFAULT_BREAKER.windowMs, ...range(windowMs) }),
    open: duration({ default: DEFAULT_BREAKER.openMs, ...range(openMs) }),
  }),
};

const kinds = variants(
  {
    http: object({
      /** Requests are POSTed here. */
      url: url({ protocols: ['http', 'https'] }),
      ...common,
      connectTimeout: optional(duration(timeout)),
      headersTimeout: optional(duration(timeout)),
      bodyTimeout: optional(duration(timeout)),
      maxConnections: integer({ default: 64, ...range(BOUNDS.maxConnections) }),
      /** Host names, addresses and networks; without it, wherever the URL leads. */
      egress: optional(list(string({ maxLength: 255 }), { minItems: 1 })),
      caFile: optional(trustRootsFile()),
      certFile: optional(path()),
      keyFile: optional(secretFile()),
      credential: optional(
        object({
          header: string({ default: 'Authorization', pattern: HEADER }),
          prefix: optional(string({ minLength: 0, maxLength: 64 })),
          secretFile: secretFile(),
        }),
      ),
    }),
    nats: object({
      subject: string({ maxLength: 255, pattern: SUBJECT }),
      ...common,
      maxUnderWay: integer({ default: 1_024, ...range(BOUNDS.maxUnderWay) }),
      nats: object({
        servers: list(string({ maxLength: 270 }), { minItems: 1, maxItems: 64 }),
        user: string({ pattern: NATS_USER }),
        passwordFile: secretFile(),
        caFile: optional(trustRootsFile()),
        allowInsecurePlaintext: boolean({ default: false }),
      }),
    }),
    /** Answers with what it was sent: to try things out. */
    echo: object({}),
  },
  'http',
);

/** `kind: http` (which is also what it is without `kind`), `nats` or `echo`. */
export const routeSchema = checked(kinds, (written) => {
  const route = routeConfigOf(written);
  const problems = routeProblems('', route).map((problem) => {
    const [, key = '', what = ''] = /^\.(\S+) (.*)$/u.exec(problem) ?? [];
    return { key: keyOf(key), what, hint: 'See "Routes" in the README of the gateway.' };
  });
  return [...problems, ...routeFileProblems(route)];
});

export type WrittenRoute = Infer<typeof kinds>;

export function routeConfigOf(written: WrittenRoute): RouteConfig {
  if (written.kind === 'echo') return { kind: 'echo' };
  const { breaker, idempotent, maxAttempts } = written;
  const shared = {
    timeoutMs: written.timeout,
    maxResponseBytes: written.maxResponse,
    isIdempotent: idempotent,
    maxAttempts,
    breaker: {
      minCalls: breaker.minCalls,
      failureRatio: breaker.failurePercent / 100,
      windowMs: breaker.window,
      openMs: breaker.open,
    },
  };
  if (written.kind === 'nats') {
    const { subject, maxUnderWay, nats } = written;
    return { kind: 'nats', ...shared, subject, maxUnderWay, nats: defined(nats) };
  }
  const { connectTimeout, headersTimeout, bodyTimeout, egress, caFile, certFile, keyFile, credential } =
    written;
  return {
    kind: 'http',
    ...shared,
    url: written.url,
    maxConnections: written.maxConnections,
    ...defined({
      connectTimeoutMs: connectTimeout,
      headersTimeoutMs: headersTimeout,
      bodyTimeoutMs: bodyTimeout,
      ...{ egress, caFile, certFile, keyFile },
      credential: credential === undefined ? undefined : defined(credential),
    }),
  };
}

/** The names of a problem's key in the file. */
const WRITTEN: Readonly<Record<string, string>> = {
  timeoutMs: 'timeout',
  maxResponseBytes: 'maxResponse',
  connectTimeoutMs: 'connectTimeout',
  headersTimeoutMs: 'headersTimeout',
  bodyTimeoutMs: 'bodyTimeout',
  failureRatio: 'failurePercent',
  windowMs: 'window',
  openMs: 'open',
};

function keyOf(text: string): readonly string[] {
  // A list is pointed at as a whole.
  return text.split('.').map((part) => WRITTEN[part] ?? part.replace(/\[\d+\]$/u, ''));
}

type Defined<T> = { readonly [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  readonly [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** Without the keys whose value is undefined. */
function defined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Defined<T>;
}
