/** Preloaded into what can only listen on all interfaces: it then listens on loopback. */
import { Server } from 'node:net';

const { listen } = Server.prototype;
Server.prototype.listen = function (this: Server, ...given: unknown[]) {
  const [port, ...rest] = given;
  const bounded = typeof port === 'number' ? [{ port, host: '127.0.0.1' }, ...rest] : given;
  return Reflect.apply(listen, this, bounded) as Server;
} as typeof listen;
