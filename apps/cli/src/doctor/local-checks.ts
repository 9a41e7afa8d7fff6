/** What doctor can see without the running system: Node, the state folder, keys and certificates, the configuration. */
import { X509Certificate } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { loadConfig, ConfigError, formatProblems } from '@sallyport/service/config';
import { identityFromPem } from '@sallyport/service/identity';
import { embeddedConfig } from '../config.ts';
import { readIfPresent } from '../state/files.ts';
import type { Home, IdentityFiles } from '../state/home.ts';
import { notice, ok, problem, type Check, type Verdict } from './check.ts';

const WIDER_THAN_OWNER = 0o077;
const DAY_MS = 24 * 60 * 60_000;
const EXPIRES_SOON_MS = 14 * DAY_MS;
const NODE_MAJOR = 24;
const ROOT_KEY_BYTES = 32;

export type LocalFacts = {
  readonly home: Home;
  /** Name of the identity in use. */
  readonly as: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `v24.21.0` */
  readonly nodeVersion: string;
  readonly nowMs: number;
};

export function localChecks(facts: LocalFacts): readonly Check[] {
  const local = (name: string, run: () => Promise<Verdict>): Check => ({ name, needsRunning: false, run });
  return [
    local('node', () => Promise.resolve(node(facts.nodeVersion))),
    local('state folder', () => stateFolder(facts.home)),
    local('trust root', () => trustRoot(facts)),
    local('identity', () => identity(facts)),
    local('root key', () => rootKey(facts.home)),
    local('configuration', () => configuration(facts)),
  ];
}

function node(version: string): Verdict {
  const major = Number(/^v(\d+)\./u.exec(version)?.[1] ?? 0);
  if (major >= NODE_MAJOR) return ok(`Node ${version}`);
  return problem(
    `Node ${version} is too old; Sallyport runs on Node ${NODE_MAJOR}`,
    'Run it through npm start or npx sallyport after npm run setup: both bring the right Node.',
  );
}

async function stateFolder({ folder }: Home): Promise<Verdict> {
  const found = await stat(folder).catch(() => undefined);
  if (found === undefined) {
    return problem(`there is no state folder ${folder}`, 'npm start makes it; or name another with --home.');
  }
  if (!found.isDirectory()) return problem(`${folder} is not a folder`, 'Name another with --home.');
  if ((found.mode & WIDER_THAN_OWNER) !== 0) {
    return problem(`others can enter ${folder}, which holds keys`, `chmod 700 '${folder}'`);
  }
  return ok(`${folder}, yours alone`);
}

async function trustRoot({ home, nowMs }: LocalFacts): Promise<Verdict> {
  const pem = await readIfPresent(home.caFile);
  if (pem === undefined) return problem(`there is no trust root ${home.caFile}`, 'npm start makes it.');
  const root = parse(pem);
  if (root === undefined || !root.ca) {
    return problem(`${home.caFile} is not a CA certificate`, 'Bring back the file that npm start wrote.');
  }
  return validity(
    root,
    home.caFile,
    nowMs,
    'Remove the state folder to begin anew; what it holds is lost then.',
  );
}

async function identity({ home, as, nowMs }: LocalFacts): Promise<Verdict> {
  const files = home.identityFiles(as);
  const [certPem, keyPem] = await Promise.all([readIfPresent(files.cert), readIfPresent(files.key)]);
  if (certPem === undefined || keyPem === undefined) {
    return problem(
      `the identity "${as}" is not complete: ${files.cert}, ${files.key}`,
      'Name another with --as.',
    );
  }
  const mode = (await stat(files.key)).mode & WIDER_THAN_OWNER;
  if (mode !== 0) return problem(`others can read ${files.key}`, `chmod 600 '${files.key}'`);
  return identityVerdict(files, certPem, keyPem, home, nowMs);
}

async function identityVerdict(
  files: IdentityFiles,
  certPem: string,
  keyPem: string,
  home: Home,
  nowMs: number,
): Promise<Verdict> {
  const again = `Remove ${files.cert}: the next npm start issues it anew.`;
  let name: string;
  try {
    name = identityFromPem({ certPem, keyPem }).spiffeId;
  } catch (error) {
    return problem(`${files.cert}: ${(error as Error).message}`, again);
  }
  const leaf = new X509Certificate(certPem);
  const root = parse((await readIfPresent(home.caFile)) ?? '');
  if (root !== undefined && !leaf.verify(root.publicKey)) {
    return problem(`${files.cert} was not issued by ${home.caFile}`, again);
  }
  const valid = validity(leaf, files.cert, nowMs, again);
  return valid.level === 'ok' ? ok(`${name}, ${valid.says}`) : valid;
}

async function rootKey({ rootKeyFile }: Home): Promise<Verdict> {
  const found = await stat(rootKeyFile).catch(() => undefined);
  if (found === undefined)
    return problem(
      `there is no root key ${rootKeyFile}`,
      'If there is a database, bring it back from its backup: only it opens the keys. The very first npm start makes it.',
    );
  if ((found.mode & WIDER_THAN_OWNER) !== 0) {
    return problem(`others can read the root key ${rootKeyFile}`, `chmod 600 '${rootKeyFile}'`);
  }
  if (found.size !== ROOT_KEY_BYTES) {
    return problem(
      `${rootKeyFile} is not a root key: it must have ${ROOT_KEY_BYTES} bytes`,
      'Restore it from its backup; without it nothing that was sealed can be opened.',
    );
  }
  return notice(
    'the root key is a file beside the data: it protects copies of the database, not this machine',
    'For production keep the root key in an HSM or KMS.',
  );
}

async function configuration({ home, env }: LocalFacts): Promise<Verdict> {
  const isThere = (await readIfPresent(home.configFile)) !== undefined;
  let privateHosts: readonly string[];
  try {
    const { modelContext } = loadConfig(embeddedConfig, {
      ...(isThere ? { file: home.configFile } : {}),
      env,
    });
    privateHosts = modelContext.allowPrivateMetadataHosts;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return problem(
      formatProblems(error.problems),
      `Mend ${home.configFile}; --check-config checks it alone.`,
    );
  }
  if (privateHosts.length > 0)
    return notice(
      `STRANGERS MAKE AUTH-SERVICE ASK PRIVATE HOSTS: whoever reaches the sign-in has any port and path fetched at ${privateHosts.join(', ')}`,
      'Remove the hosts from modelContext.allowPrivateMetadataHosts that no metadata document is published at.',
    );
  return ok(isThere ? `${home.configFile} is valid` : 'defaults (there is no sallyport.yaml)');
}

function validity(certificate: X509Certificate, file: string, nowMs: number, next: string): Verdict {
  const notAfterMs = certificate.validToDate.getTime();
  const until = certificate.validToDate.toISOString();
  if (nowMs < certificate.validFromDate.getTime()) {
    return problem(`${file} is not valid yet`, 'Is the clock of this machine right?');
  }
  if (nowMs > notAfterMs) return problem(`${file} ended at ${until}`, next);
  if (notAfterMs - nowMs < EXPIRES_SOON_MS) return notice(`${file} ends at ${until}`, next);
  return ok(`valid until ${until}`);
}

function parse(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}
