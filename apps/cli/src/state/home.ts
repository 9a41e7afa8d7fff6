/** The state folder's layout, and the ports that follow from one base. `SALLYPORT_HOME` and `SALLYPORT_PORT_BASE` move them. */
import { join, resolve } from 'node:path';
import { UsageError } from '../exit.ts';

export const DEFAULT_PORT_BASE = 8443;

/** Offsets from the base; the services follow the two doors (DESIGN.md section 11). */
const PORT_OFFSETS = { https: 0, channel: 1, auth: 2, key: 3, policy: 4, audit: 5, signIn: 6 } as const;

export type Ports = Readonly<Record<keyof typeof PORT_OFFSETS, number>>;

/** PEM files, kept apart because stock tools (curl, openssl) want them so. */
export type IdentityFiles = { readonly cert: string; readonly key: string };

export type Home = {
  /** Absolute path. */
  readonly folder: string;
  readonly ports: Ports;
  readonly caFile: string;
  readonly caKeyFile: string;
  /** The verifier key of the audit log, pinned on first start. */
  readonly logKeyFile: string;
  readonly configFile: string;
  readonly databaseFolder: string;
  readonly rootKeyFile: string;
  readonly auditLogFolder: string;
  readonly bundleFolder: string;
  /** A folder for each principal of each server that runs here. */
  readonly serversFolder: string;
  /** Of the cluster profile: its processes, its servers, their passwords. */
  readonly clusterFolder: string;
  /** Where the processes of the running cluster are; there only while it runs. */
  readonly endpointsFile: string;
  /** What commands remember, such as the last checkpoint that was verified. */
  readonly clientFolder: string;
  /** Certificate and key of a principal. */
  identityFiles(name: string): IdentityFiles;
  /** Certificate and key of one of Sallyport's own services. */
  serviceFiles(name: string): IdentityFiles;
  pskFile(name: string): string;
  /** What a user types at the sign-in page. */
  passwordFile(name: string): string;
  spoolFolder(service: string): string;
};

/** Reads the environment only; touches no file. Throws `UsageError` on a port base that cannot be. */
export function locateHome(
  env: Readonly<Record<string, string | undefined>>,
  given: { readonly home?: string | undefined; readonly portBase?: string | undefined } = {},
): Home {
  const root = resolve(given.home ?? env['SALLYPORT_HOME'] ?? '.sallyport');
  const at = (...parts: string[]): string => join(root, ...parts);
  return {
    folder: root,
    ports: portsFrom(given.portBase ?? env['SALLYPORT_PORT_BASE']),
    caFile: at('ca.pem'),
    caKeyFile: at('ca-key.pem'),
    logKeyFile: at('audit-log.vkey'),
    configFile: at('sallyport.yaml'),
    databaseFolder: at('database'),
    rootKeyFile: at('root.key'),
    auditLogFolder: at('audit-log'),
    bundleFolder: at('bundle'),
    serversFolder: at('servers'),
    clusterFolder: at('cluster'),
    endpointsFile: at('cluster', 'endpoints.json'),
    clientFolder: at('client'),
    identityFiles: (name) => filesOf(at('identities'), name),
    serviceFiles: (name) => filesOf(at('services'), name),
    pskFile: (name) => at('identities', `${name}.psk.json`),
    passwordFile: (name) => at('identities', `${name}.password`),
    spoolFolder: (service) => at('spool', service),
  };
}

function filesOf(folder: string, name: string): IdentityFiles {
  return { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key.pem`) };
}

function portsFrom(text: string | undefined): Ports {
  const base = text === undefined || text === '' ? DEFAULT_PORT_BASE : Number(text);
  const last = Math.max(...Object.values(PORT_OFFSETS));
  if (!Number.isInteger(base) || base < 1 || base + last > 65_535) {
    throw new UsageError(
      `The port base (SALLYPORT_PORT_BASE, --port-base) is "${text}"; it must be a whole number from 1 to ${65_535 - last}.`,
    );
  }
  return {
    https: base + PORT_OFFSETS.https,
    channel: base + PORT_OFFSETS.channel,
    auth: base + PORT_OFFSETS.auth,
    key: base + PORT_OFFSETS.key,
    policy: base + PORT_OFFSETS.policy,
    audit: base + PORT_OFFSETS.audit,
    signIn: base + PORT_OFFSETS.signIn,
  };
}
