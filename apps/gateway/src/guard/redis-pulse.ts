/**
 * This gateway's sign of life in Redis, and how others read it: a claim that runs under a gateway without one will never
 * be concluded. With each beat the servers are asked whether they may evict keys: a server that may is not used, because
 * a claim or a nonce that silently goes away is a message executed twice.
 */
import type { Log } from '@sallyport/service/log';
import type { RedisCaller } from './redis-caller.ts';

export type RedisPulse = AsyncDisposable & {
  /** Why the guard must refuse, as of the last beat; undefined = it works. */
  problem(): Error | undefined;
  /** Beats now; rejects with what is wrong. */
  beat(): Promise<void>;
  /** Whether the gateway of this token (hex) lives. */
  isAlive(token: string): Promise<boolean>;
};

const BEAT_EVERY_MS = 1_000;
/** A gateway that could not beat for so long counts as dead, whatever it does. */
const ALIVE_MS = 5_000;

export function startRedisPulse(caller: RedisCaller, token: string, log: Log): RedisPulse {
  let problem: Error | undefined = new Error('Redis has not answered yet');
  let beating: Promise<void> | undefined;

  async function ask(): Promise<void> {
    try {
      const key = keyOf(token);
      const [, ...infos] = await Promise.all([
        caller.send(key, ['SET', key, '1', 'PX', String(ALIVE_MS)]),
        caller.sendToAll(['INFO', 'memory']),
      ]);
      for (const info of infos.flat()) {
        const policy = /maxmemory_policy:(\S+)/u.exec(String(info))?.[1];
        if (policy !== 'noeviction')
          throw new Error(
            `Redis may evict keys (maxmemory-policy ${policy ?? 'unknown'}); it must be noeviction`,
          );
      }
      if (problem !== undefined) log.info('the replay guard works');
      problem = undefined;
    } catch (error) {
      if (problem === undefined) log.error('the replay guard refuses frames', { error });
      problem = error instanceof Error ? error : new Error(String(error));
      throw problem;
    }
  }

  const beat = (): Promise<void> => (beating ??= ask().finally(() => (beating = undefined)));
  const quietly = (): void => void beat().catch(() => undefined);
  quietly();
  const timer = setInterval(quietly, BEAT_EVERY_MS);
  return {
    problem: () => problem,
    beat,
    async isAlive(other) {
      const key = keyOf(other);
      return Number(await caller.send(key, ['EXISTS', key])) === 1;
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await beating?.catch(() => undefined);
      // What still runs here will not be concluded: others need not wait to know.
      await caller.send(keyOf(token), ['UNLINK', keyOf(token)]).catch(() => undefined);
    },
  };
}

function keyOf(token: string): string {
  return `gw:{${token}}`;
}
