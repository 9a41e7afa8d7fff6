/** Starts a Redis in the given folder, says its process id, and waits to be killed. */
import { join } from 'node:path';
import { serverTls, startRedis } from '../../src/local-servers/index.ts';

const folder = process.argv[2] ?? '';
const server = await startRedis({
  folder: join(folder, 'redis'),
  tls: await serverTls(join(folder, 'tls')),
  users: [],
});
process.stdout.write(`${server.pid}\n`);
setInterval(() => undefined, 1000);
