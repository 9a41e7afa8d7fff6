/** A Sallyport of its own with servers behind its Model Context Protocol door, and what a test does at it. */
import { readFile, writeFile } from 'node:fs/promises';
import type { Channel } from '@sallyport/client';
import { runCommand, type Ran } from './command-line.ts';
import type { AccessToken } from './credential-shim.ts';
import { freePortBase } from './ports.ts';
import { eventually, startSystem } from './running-system.ts';
import { openSession } from './session.ts';
import { temporaryHome } from './temporary-home.ts';

export type Door = AsyncDisposable & {
  /** Of the process that runs it. */
  readonly pid: number;
  readonly caFile: string;
  readonly ca: string;
  /** Of alice, at the sign-in page. */
  readonly passwordFile: string;
  url(route: string): string;
  /** A bearer token for one route. */
  token(route: string, as?: string): Promise<AccessToken>;
  /** The other door: a session of the secure channel, for whoever asks to close. */
  channel(as: string): Promise<Channel>;
  sallyport(...args: string[]): Promise<Ran>;
  /** Rejects unless the command succeeds. */
  done(...args: string[]): Promise<Record<string, unknown>[]>;
  /** Records of what has ended, once there are at least so many. */
  records(count: number, ...filter: string[]): Promise<Record<string, unknown>[]>;
};

/** `servers` and the `further` keys of `modelContext` as they are written in `sallyport.yaml`; no servers means the demonstration. */
export async function startDoor(
  servers: Readonly<Record<string, unknown>>,
  profile: 'embedded' | 'cluster' = 'embedded',
  further: Readonly<Record<string, unknown>> = {},
): Promise<Door> {
  await using stack = new AsyncDisposableStack();
  const home = stack.use(await temporaryHome(await freePortBase()));
  const modelContext = { servers, allowBearerTokens: true, ...further };
  await writeFile(home.configFile, JSON.stringify({ modelContext }), { mode: 0o600 });
  const { pid } = stack.use(await startSystem(home, { profile }));
  const flags = ['--home', home.folder, '--port-base', String(home.ports.https)];
  const sallyport = (...args: string[]): Promise<Ran> => runCommand([...args, ...flags]);
  const done = async (...args: string[]): Promise<Record<string, unknown>[]> => {
    const ran = await sallyport(...args, '--json');
    if (ran.code !== 0) throw new Error(`${args.join(' ')}: ${ran.code}\n${ran.out}${ran.err}`);
    return ran.json();
  };
  const ca = await readFile(home.caFile, 'utf8');
  const owned = stack.move();
  return {
    pid,
    caFile: home.caFile,
    ca,
    passwordFile: home.passwordFile('alice'),
    url: (route) => `https://localhost:${home.ports.https}/mcp/${route}`,
    async token(route, as = 'alice') {
      const [token] = await done('token', '--as', as, '--audience', route);
      return token as AccessToken;
    },
    channel: (as) => openSession(home, as),
    sallyport,
    done,
    records: (count, ...filter) =>
      eventually(`${count} records of ${filter.join(' ')}`, async () => {
        const found = await done('audit', 'query', ...filter);
        const ended = found.filter(({ decision, outcome }) => decision === 'deny' || outcome !== undefined);
        return ended.length >= count ? ended : undefined;
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
