/**
 * The gateway before the echo server, everything on: a token bound to a key, a proof of it in each request that is taken
 * once, a role with a condition on an argument, decision and outcome on disk before the answer leaves.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startSystem, type MeasuredSystem, type Profile } from '../system.ts';
import { boundCredential, type BoundToken } from './dpop.ts';
import { ECHO_SERVER, httpTarget, type Target } from './targets.ts';

/** May call `echo` with what `load.ts` sends, and nothing else. */
const ROLE = {
  name: 'bench-caller',
  permissions: [
    ...['initialize', 'notifications.*'].map((name) => ({ action: `context.${name}`, resource: '*' })),
    ...['echo-http', 'echo-stdio'].map((route) => ({
      action: 'context.tools.call',
      resource: `${route}.echo`,
      when: [{ argument: '/text', starts_with: 'x' }],
    })),
  ],
};

/** Two targets on one gateway: the echo server over HTTP at `url`, and as its child. */
export async function gateways(
  profile: Profile,
  url: string,
): Promise<AsyncDisposable & { readonly targets: Target[] }> {
  await using stack = new AsyncDisposableStack();
  const servers = {
    'echo-http': { kind: 'http', url },
    'echo-stdio': {
      ...{ kind: 'stdio', command: process.execPath, args: [ECHO_SERVER, 'stdio'] },
      maxChildrenPerPrincipal: 16,
    },
  };
  const system = stack.use(await startSystem(profile, { modelContext: { servers } }));
  await becomeCaller(system);
  const ca = await readFile(join(system.home, 'ca.pem'), 'utf8');
  const targets: Target[] = [];
  for (const upstream of ['http', 'stdio'] as const) {
    const route = `echo-${upstream}`;
    const keyFile = join(system.home, `${route}.jwk`);
    const issue = async (): Promise<BoundToken> => {
      const given = ['token', '--as', 'alice', '--audience', route, '--dpop', keyFile];
      const [token] = await system.command(...given);
      return token as BoundToken;
    };
    const credential = await boundCredential(keyFile, issue);
    targets.push(
      httpTarget({
        name: `gateway-${upstream}`,
        upstream,
        isDirect: false,
        target: { url: `${system.origin}/mcp/${route}`, ca, credential },
        cpuSeconds: system.cpuSeconds,
      }),
    );
  }
  const owned = stack.move();
  return { targets, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function becomeCaller(system: MeasuredSystem): Promise<void> {
  const file = join(system.home, 'role.json');
  await writeFile(file, JSON.stringify(ROLE));
  await system.command('policy', 'roles', 'put', '--file', file);
  await system.command('policy', 'bind', 'user:alice', ROLE.name);
  await system.command('policy', 'unbind', 'user:alice', 'context-user');
}
