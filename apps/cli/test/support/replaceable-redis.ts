/** A Redis that can be replaced by a replica that lags: behind one address, as a service name is in a deployment. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  redisAcl,
  startCutProxy,
  startRedis,
  type CutProxy,
  type LocalServer,
  type ServerTls,
} from '@sallyport/service/local-servers';
import { GUARD_ACL } from '../../src/config.ts';
import { eventually } from './running-system.ts';

export type ReplaceableRedis = AsyncDisposable & {
  readonly proxy: CutProxy;
  server(): LocalServer;
  /** As `server().restart`, and a primary again: the file of one that was a replica once still says so. */
  restart(options?: { readonly empty?: boolean }): Promise<void>;
  /** The password that gateways are configured with. */
  readonly gatewayPassword: string;
  /** `redis-cli`, as an operator, past the proxy. Gives what it printed; rejects when it fails. */
  ask(...command: string[]): Promise<string>;
  /**
   * Detaches a replica that is up to date, lets the primary go on alone for `lagMs`, kills it, and puts the replica in its
   * place: what was written meanwhile, and acknowledged, is gone.
   */
  failOver(lagMs: number): Promise<void>;
};

/** To make things go wrong, and to look. */
const OPERATOR_ACL = '+info +replicaof +config|set +acl|setuser +client|kill';

const run = promisify(execFile);
const newPassword = (): string => randomBytes(24).toString('base64url');

export async function startReplaceableRedis(
  folder: string,
  tls: ServerTls,
  gatewayPassword: string,
): Promise<ReplaceableRedis> {
  const passwords = { gateway: gatewayPassword, replica: newPassword(), operator: newPassword() };
  let number = 0;
  const start = (replicaOf?: { port: number; user: string; password: string }): Promise<LocalServer> => {
    number += 1;
    return startRedis({
      folder: join(folder, `redis-${number}`),
      tls,
      users: [
        { name: 'gateway', password: passwords.gateway, acl: GUARD_ACL },
        { name: 'replica', password: passwords.replica, acl: redisAcl.replica },
        { name: 'operator', password: passwords.operator, acl: OPERATOR_ACL },
      ],
      ...(replicaOf === undefined ? {} : { replicaOf }),
    });
  };
  let primary = await start();
  const to = { host: '127.0.0.1', port: primary.port };
  const proxy = await startCutProxy({ to });

  const ask = async (server: LocalServer, ...command: string[]): Promise<string> => {
    const args = ['--tls', '--cacert', tls.caFile, '-h', '127.0.0.1', '-p', String(server.port)];
    const { stdout } = await run(
      'redis-cli',
      [...args, '--user', 'operator', '--no-auth-warning', ...command],
      {
        env: { PATH: process.env['PATH'], REDISCLI_AUTH: passwords.operator },
        timeout: 10_000,
      },
    );
    return stdout;
  };

  return {
    proxy,
    server: () => primary,
    async restart(options) {
      await primary.restart(options);
      await ask(primary, 'REPLICAOF', 'NO', 'ONE');
    },
    gatewayPassword,
    ask: (...command) => ask(primary, ...command),
    async failOver(lagMs) {
      const replica = await start({ port: primary.port, user: 'replica', password: passwords.replica });
      try {
        await eventually(
          'a replica in step',
          async () =>
            (await ask(replica, 'INFO', 'replication')).includes('master_link_status:up') || undefined,
        );
        await ask(replica, 'REPLICAOF', 'NO', 'ONE');
      } catch (error) {
        await replica.stop();
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, lagMs));
      primary.signal('SIGKILL');
      await primary.exited;
      primary = replica;
      to.port = replica.port;
      proxy.reset();
    },
    async [Symbol.asyncDispose]() {
      await proxy.dispose();
      await primary.stop();
    },
  };
}
