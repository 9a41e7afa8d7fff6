/** One connection to one server, with the bounds that all kinds of deployments share. */
import { randomInt } from 'node:crypto';
import { createClient, RESP_TYPES } from 'redis';
import type { RedisNode, RedisTarget } from './redis-target.ts';

export type RedisArgument = string | Buffer;

/** What cannot be sent at once is refused: nothing waits for a server that is away. */
const COMMON = {
  RESP: 3,
  disableOfflineQueue: true,
  /** Written and unanswered: beyond it a server is as good as away. */
  commandsQueueMaxLength: 16_384,
  disableClientInfo: true,
  maintNotifications: 'disabled',
  pingInterval: 1_000,
} as const;

/** Deadlines are the guard's own; a timer for each command inside the client would be a second one. */
const COMMAND_OPTIONS = { timeout: 0, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } } as const;

const CONNECT_TIMEOUT_MS = 1_000;
/** Without a word for this long, pings included, a connection is dead: a stopped server or a lost route. */
const SILENCE_MS = 3_000;
const MAX_BACKOFF_MS = 500;

export type RedisClient = ReturnType<typeof createRedisClient>;

/** Credentials, TLS and bounds for every connection of a deployment. */
export function connectionOptions({ username, password, caPem }: RedisTarget) {
  const secret =
    typeof password === 'string' ? password : password.use((bytes) => Buffer.from(bytes).toString());
  return {
    ...COMMON,
    username,
    password: secret,
    socket: {
      connectTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: SILENCE_MS,
      ...(caPem === undefined ? {} : { tls: true as const, ca: caPem, minVersion: 'TLSv1.3' as const }),
    },
  };
}

/** `isPersistent`: connects again by itself, for ever. Not connected yet. */
export function createRedisClient(target: RedisTarget, node: RedisNode, isPersistent: boolean) {
  const { socket, ...rest } = connectionOptions(target);
  return createClient({
    ...rest,
    socket: { ...socket, ...node, reconnectStrategy: isPersistent ? backoffMs : false },
    commandOptions: COMMAND_OPTIONS,
  });
}

/** Not all gateways at the same moment. */
export function backoffMs(retries: number): number {
  return Math.min(50 * 2 ** Math.min(retries, 10), MAX_BACKOFF_MS) + randomInt(50);
}

export { COMMAND_OPTIONS };
