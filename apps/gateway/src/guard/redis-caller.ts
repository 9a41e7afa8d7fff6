/** Scripts on a link: loaded when the server does not know them, answered within a deadline, a few at most. */
import { ClientOfflineError } from 'redis';
import type { RedisArgument } from './redis-client.ts';
import type { RedisLink } from './redis-link-port.ts';
import type { RedisScript } from './redis-scripts.ts';

export type RedisCaller = {
  /** Keys of one session; the first names the server. Rejects within `COMMAND_TIMEOUT_MS`. */
  run(script: RedisScript, keys: readonly string[], args: readonly RedisArgument[]): Promise<unknown>;
  send(key: string, args: RedisArgument[]): Promise<unknown>;
  sendToAll(args: RedisArgument[]): Promise<unknown[]>;
};

/** How long anything waits for Redis. What is late is of unknown end: it may have been done. */
export const COMMAND_TIMEOUT_MS = 1_000;

export function redisCaller(link: RedisLink): RedisCaller {
  async function evaluate(
    script: RedisScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
  ): Promise<unknown> {
    const [first] = keys;
    if (first === undefined) throw new TypeError('a script needs a key');
    const rest = [String(keys.length), ...keys, ...args];
    try {
      return await link.send(first, ['EVALSHA', script.sha1, ...rest]);
    } catch (error) {
      // A server that was restarted, promoted or joined. It did nothing, so the script may come again, as a whole.
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return link.send(first, ['EVAL', script.text, ...rest]);
    }
  }

  /** "Offline" is no reason: why there is no connection is. */
  const explained = <T>(work: Promise<T>): Promise<T> =>
    inTime(work).catch((error: unknown) => {
      throw error instanceof ClientOfflineError ? (link.problem() ?? error) : error;
    });

  return {
    run: (script, keys, args) => explained(evaluate(script, keys, args)),
    send: (key, args) => explained(link.send(key, args)),
    sendToAll: (args) => explained(link.sendToAll(args)),
  };
}

/** The promise itself goes on and is heard by nobody. */
function inTime<T>(work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`Redis did not answer within ${COMMAND_TIMEOUT_MS} ms`)),
      COMMAND_TIMEOUT_MS,
    );
    void work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
