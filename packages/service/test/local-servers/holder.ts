/** Starts one server of each kind in the given folder, says their process ids, and waits to be killed. */
import { join } from 'node:path';
import { serverTls, startNats, startPostgres, startRedis } from '../../src/local-servers/index.ts';

const folder = process.argv[2] ?? '';
const tls = await serverTls(join(folder, 'tls'));
const servers = await Promise.all([
  startRedis({ folder: join(folder, 'redis'), tls, users: [] }),
  startNats({ folder: join(folder, 'nats'), tls, users: [], jetStream: { maxFileBytes: 1 << 20 } }),
  startPostgres({ folder: join(folder, 'postgres'), tls, superuserPassword: '0123456789-abcdef' }),
]);
process.stdout.write(`${servers.map(({ pid }) => pid).join(' ')}\n`);
setInterval(() => undefined, 1000);
