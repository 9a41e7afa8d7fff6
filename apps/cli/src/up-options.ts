/** What `sallyport up` is told, for both profiles: command line, environment and file together. */
import { stat } from 'node:fs/promises';
import { loadConfig } from '@sallyport/service/config';
import { embeddedConfig, type EmbeddedConfig } from './config.ts';
import { UsageError } from './exit.ts';
import type { ShownDoor } from './model-context.ts';
import type { Home } from './state/home.ts';
import { DEVELOPMENT_PRINCIPALS, DEVELOPMENT_PSK } from './state/identities.ts';

export type UpOptions = {
  readonly home: Home;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly configFile?: string;
  readonly checkConfigOnly: boolean;
  /** `name=url` each. */
  readonly routes: readonly string[];
  readonly logLevel?: string;
  /** Aborts a start that is under way. */
  readonly signal: AbortSignal;
  /** Told what is being done, for people. */
  readonly onStep: (text: string) => void;
};

export type RunningSystem = {
  readonly door: ShownDoor;
  /** What keeps it from being ready though it runs: the audit log on disk contradicts itself. Empty when it is ready. */
  readonly logFindings: readonly string[];
  /** Ends what is under way, then everything. Returns what did not go well, in words. */
  stop(): Promise<readonly string[]>;
};

/** File, environment and command line together. Throws `UsageError` and `ConfigError`; touches nothing else. */
export async function readConfig(options: UpOptions): Promise<EmbeddedConfig> {
  const file = options.configFile ?? options.home.configFile;
  const present = options.configFile !== undefined || (await stat(file).catch(() => undefined)) !== undefined;
  return loadConfig(embeddedConfig, {
    ...(present ? { file } : {}),
    env: options.env,
    overrides: {
      ...(options.logLevel === undefined ? {} : { log: { level: options.logLevel } }),
      ...(options.routes.length === 0 ? {} : { routes: givenRoutes(options.routes) }),
    },
  });
}

function givenRoutes(given: readonly string[]): Record<string, { url: string }> {
  const routes = given.map((text): [string, { url: string }] => {
    const at = text.indexOf('=');
    if (at < 1) {
      throw new UsageError(`--route "${text}" must be name=url, e.g. orders=http://127.0.0.1:9000/orders`);
    }
    return [text.slice(0, at), { url: text.slice(at + 1) }];
  });
  return Object.fromEntries(routes);
}

/** Who holds what on an empty database. */
export function firstBindings(): { principal: string; role: string }[] {
  return [...DEVELOPMENT_PRINCIPALS, DEVELOPMENT_PSK].flatMap(({ principal, roles }) =>
    roles.map((role) => ({ principal, role })),
  );
}
