/**
 * A TCP proxy that stands for the network and can fail as one: bytes of a direction stop arriving while every
 * connection stays open, and arrive when it heals, as after a lost route.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export type CutDirection = 'both' | 'to-server' | 'to-client';

export interface CutProxy extends AsyncDisposable {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** From now nothing arrives in this direction, the end of a connection included; new connections hang. */
  cut(direction: CutDirection): void;
  /** What was held back arrives, in order. */
  heal(): void;
  /** Each chunk takes this much longer, in each direction. */
  delay(ms: number): void;
  /** Breaks every connection off at once (RST), in both directions. */
  reset(): void;
  dispose(): Promise<void>;
}

/** The state that all connections share. */
interface Network {
  readonly isCut: { 'to-server': boolean; 'to-client': boolean };
  delayMs: number;
  healed: PromiseWithResolvers<void>;
}
type Direction = keyof Network['isCut'];

export async function startCutProxy(options: {
  /** Read for each connection: who changes it sends later ones elsewhere. */
  readonly to: { readonly host: string; readonly port: number };
}): Promise<CutProxy> {
  const { to } = options;
  const network: Network = {
    isCut: { 'to-server': false, 'to-client': false },
    delayMs: 0,
    healed: Promise.withResolvers(),
  };
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => undefined); // the other side is told by the close
    socket.setNoDelay(true);
    return socket;
  };

  const server = createServer({ allowHalfOpen: true }, (accepted) => {
    const client = keep(accepted);
    void whenOpen(network, 'to-server').then(() => {
      if (client.destroyed) return;
      const upstream = keep(connect({ host: to.host, port: to.port, allowHalfOpen: true }));
      void pump(network, 'to-server', client, upstream);
      void pump(network, 'to-client', upstream, client);
    });
  });
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  function heal(): void {
    network.isCut['to-server'] = false;
    network.isCut['to-client'] = false;
    network.healed.resolve();
    network.healed = Promise.withResolvers();
  }
  async function dispose(): Promise<void> {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    heal(); // nobody keeps waiting
    await closed;
  }
  return {
    host: '127.0.0.1',
    port,
    cut(direction) {
      if (direction !== 'to-client') network.isCut['to-server'] = true;
      if (direction !== 'to-server') network.isCut['to-client'] = true;
    },
    heal,
    delay(ms) {
      network.delayMs = ms;
    },
    reset() {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}

async function whenOpen(network: Network, direction: Direction): Promise<void> {
  while (network.isCut[direction]) await network.healed.promise;
}

/** Moves bytes one way; reads nothing more while the direction is cut. */
async function pump(network: Network, direction: Direction, from: Socket, to: Socket): Promise<void> {
  try {
    for await (const chunk of from) {
      if (network.delayMs > 0) await sleep(network.delayMs);
      await whenOpen(network, direction);
      if (to.destroyed) return;
      if (!to.write(chunk as Uint8Array)) await Promise.race([once(to, 'drain'), once(to, 'close')]);
    }
    await whenOpen(network, direction);
    to.end();
  } catch {
    await whenOpen(network, direction);
    to.destroy(); // `from` broke off
  }
}
