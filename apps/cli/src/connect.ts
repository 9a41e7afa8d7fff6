/** Calls to services as a principal: mutual TLS, the server's SPIFFE name compared. */
import type { DescService } from '@bufbuild/protobuf';
import { grpcClient, type GrpcClient } from '@sallyport/service/grpc';
import type { Identity, ServiceName, Trust } from '@sallyport/service/identity';
import { readEndpoints } from './cluster/endpoints.ts';
import type { CommandContext } from './commands/context.ts';
import { CommandFailed } from './exit.ts';
import { readIfPresent } from './state/files.ts';
import type { Home, Ports } from './state/home.ts';
import { DEVELOPMENT_TRUST_DOMAIN, readIdentity } from './state/identities.ts';

const DEADLINE_MS = 10_000;
// A page of 1,000 records or a batch of exported leaves.
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

const PORT_OF = {
  gateway: 'channel',
  'auth-service': 'auth',
  'key-service': 'key',
  'policy-service': 'policy',
  'audit-service': 'audit',
} as const satisfies Record<ServiceName, keyof Ports>;

/** Connects to whichever replica answers first, runs `use`, and closes whatever happens. */
export async function withService<S extends DescService, Result>(
  context: CommandContext,
  service: S,
  name: ServiceName,
  use: (client: GrpcClient<S>) => Promise<Result>,
): Promise<Result> {
  const connect = await connector(context, service, name);
  await using client = connect((await addressesOf(context.home, name)).join(','));
  return await use(client);
}

export type Replica<S extends DescService> = { readonly address: string; readonly client: GrpcClient<S> };

/**
 * As `withService`, with a client for each replica: for answers that have to be of one and the same, and for asking the
 * next when one has none. At least one, the first replica first; none is connected before it is asked.
 */
export async function withReplicas<S extends DescService, Result>(
  context: CommandContext,
  service: S,
  name: ServiceName,
  use: (replicas: readonly Replica<S>[]) => Promise<Result>,
): Promise<Result> {
  const connect = await connector(context, service, name);
  await using clients = new AsyncDisposableStack();
  const addresses = await addressesOf(context.home, name);
  return await use(addresses.map((address) => ({ address, client: clients.use(connect(address)) })));
}

async function connector<S extends DescService>(
  context: CommandContext,
  service: S,
  name: ServiceName,
): Promise<(address: string) => GrpcClient<S>> {
  const trust = await readTrust(context.home);
  const identity = await requireIdentity(context.home, context.as);
  return (address) =>
    grpcClient(service, {
      address,
      expectedServer: name,
      identity,
      trust,
      deadlineMs: DEADLINE_MS,
      maxMessageBytes: MAX_MESSAGE_BYTES,
    });
}

/** Every replica of a service of the running home, the first one first; where nothing is known to run, where it would. */
export async function addressesOf(home: Home, name: ServiceName): Promise<readonly string[]> {
  const processes = (await readEndpoints(home))?.processes.filter((process) => process.name === name) ?? [];
  if (processes.length === 0) return [addressOf(home, name)];
  return processes.map(({ port }) => `127.0.0.1:${port}`);
}

/** Where a service, or its first replica, listens on this machine. */
export function addressOf(home: Home, name: ServiceName): string {
  return `127.0.0.1:${home.ports[PORT_OF[name]]}`;
}

/** The trust root of the state folder. Throws `CommandFailed`, saying what to do, where there is none. */
export async function readTrust(home: Home): Promise<Trust> {
  const caPem = await readIfPresent(home.caFile);
  if (caPem === undefined) {
    throw new CommandFailed(
      `There is no trust root ${home.caFile}. Start Sallyport once (npm start), or name its state folder with --home.`,
    );
  }
  return { caPem, trustDomain: DEVELOPMENT_TRUST_DOMAIN };
}

/** The identity to act as. Throws `CommandFailed`, saying what to do, where it is missing or broken. */
export async function requireIdentity(home: Home, name: string): Promise<Identity> {
  if (!/^[a-z0-9._-]{1,64}$/.test(name)) {
    throw new CommandFailed(
      `"${name}" is not the name of an identity: lower-case letters, digits, dots and dashes.`,
    );
  }
  const files = home.identityFiles(name);
  const identity = await readIdentity(files);
  if (identity === undefined) {
    throw new CommandFailed(
      `There is no usable identity "${name}": ${files.cert} and ${files.key} must exist and fit together. \`sallyport doctor\` tells more.`,
    );
  }
  return identity;
}
