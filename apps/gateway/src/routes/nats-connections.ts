/** Connections of NATS routes, one for each target. What keeps one from its server keeps no other route from its own. */
import { BusError } from '@sallyport/service/bus';
import type { Log } from '@sallyport/service/log';
import { connectNats, type NatsConnectionHandle } from '@sallyport/service/nats';
import type { NatsTarget } from './config.ts';

export type NatsConnections = AsyncDisposable & {
  /** The same for the same target. */
  to(target: NatsTarget): Pick<NatsConnectionHandle, 'request'>;
};

/** A server that refused our credentials is asked again after this, when there is something to send. */
const AGAIN_MS = 5_000;

export function natsConnections(log: Log, monotonic: () => number): NatsConnections {
  const open = new Map<string, { handle: Pick<NatsConnectionHandle, 'request'>; close(): Promise<void> }>();
  return {
    to(target) {
      const key = JSON.stringify(target);
      const known = open.get(key) ?? connection(target, log, monotonic);
      open.set(key, known);
      return known.handle;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...open.values()].map((each) => each.close()));
    },
  };
}

function connection(target: NatsTarget, log: Log, monotonic: () => number) {
  let isOver = false;
  let triedAtMs = -Infinity;
  let opening: Promise<NatsConnectionHandle | undefined> | undefined;

  function begin(): Promise<NatsConnectionHandle | undefined> {
    triedAtMs = monotonic();
    return connectNats({ ...target, name: target.user, log }).catch((error: unknown) => {
      log.error('a NATS route is not connected', { servers: target.servers, user: target.user, error });
      opening = undefined;
      return undefined;
    });
  }

  opening = begin();
  return {
    handle: {
      async request(...args: Parameters<NatsConnectionHandle['request']>) {
        if (opening === undefined && !isOver && monotonic() - triedAtMs >= AGAIN_MS) opening = begin();
        const handle = await opening;
        if (handle === undefined) throw new BusError('closed', 'the NATS server refused the connection');
        return handle.request(...args);
      },
    },
    async close() {
      isOver = true;
      await (await opening)?.close();
    },
  };
}
