/** What the guard needs of a connection to Redis, whatever the deployment. */
import type { RedisArgument } from './redis-client.ts';

export type RedisLink = {
  /**
   * To the master that holds `key`, in order, on one connection. Rejects at once when there is none; **never sent
   * twice**: what was written before its connection broke has an unknown end.
   */
  send(key: string, args: RedisArgument[]): Promise<unknown>;
  /** To every master; rejects when one does not answer or there is none. */
  sendToAll(args: RedisArgument[]): Promise<unknown[]>;
  /** Why there is no connection, as far as is known. */
  problem(): Error | undefined;
  close(): void;
};
