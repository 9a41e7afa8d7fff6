/**
 * The certificates of the embedded profile: a development CA made on first start, one identity per service, and a few
 * principals to begin with. Everything is issued anew when two thirds of its life are over.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import {
  createDevelopmentCa,
  identityFromPem,
  issue,
  needsRenewal,
  principalSpiffeId,
  SERVICE_NAMES,
  serviceSpiffeId,
  type DevelopmentCa,
  type Identity,
  type IssueOptions,
  type ServiceName,
  type Trust,
} from '@sallyport/service/identity';
import type { Clock } from '@sallyport/service/clock';
import { CommandFailed } from '../exit.ts';
import { readIfPresent, writePrivate } from './files.ts';
import type { Home, IdentityFiles } from './home.ts';

export const DEVELOPMENT_TRUST_DOMAIN = 'sallyport.local';

/** The principals that `up` makes, and the roles they start with. `guest` may open a session and nothing else. */
export const DEVELOPMENT_PRINCIPALS = [
  { name: 'admin', principal: 'user:admin', roles: ['admin', 'auditor', 'sender', 'context-user'] },
  { name: 'alice', principal: 'user:alice', roles: ['sender', 'context-user'] },
  { name: 'guest', principal: 'user:guest', roles: ['guest'] },
] as const;

/** The pre-shared key that `up` makes. */
export const DEVELOPMENT_PSK = {
  name: 'batch',
  principal: 'workload:batch',
  roles: ['sender', 'context-user'],
} as const;

/** Who of them may sign in at the sign-in page, for stock clients of the Model Context Protocol. */
export const DEVELOPMENT_SIGN_INS = ['alice', 'guest'] as const;

export type EmbeddedIdentities = {
  readonly trust: Trust;
  readonly services: Readonly<Record<ServiceName, Identity>>;
  /** What the gateway shows in the channel's handshake: Ed25519, the channel's mandatory signature. */
  readonly gatewayChannel: Identity;
  /** True when the trust root was made just now. */
  readonly created: boolean;
};

/** Makes what is missing and reads the rest. The caller owns the state folder's lock. */
export async function ensureIdentities(home: Home, clock: Clock): Promise<EmbeddedIdentities> {
  const { ca, created } = await ensureCa(home, clock);
  const trustDomain = ca.trustDomain;
  const local = { dns: ['localhost'], ip: ['127.0.0.1', '::1'] } as const;
  const ensure = (files: IdentityFiles, wanted: Omit<IssueOptions, 'ca' | 'clock'>): Promise<Identity> =>
    ensureIdentity(files, { ca, clock, ...wanted });
  const services = {} as Record<ServiceName, Identity>;
  for (const name of SERVICE_NAMES) {
    services[name] = await ensure(home.serviceFiles(name), {
      spiffeId: serviceSpiffeId(trustDomain, name),
      keyAlgorithm: 'P-256',
      usages: ['server', 'client'],
      ...local,
    });
  }
  const gatewayChannel = await ensure(home.serviceFiles('gateway-channel'), {
    spiffeId: serviceSpiffeId(trustDomain, 'gateway'),
    keyAlgorithm: 'Ed25519',
    usages: ['server'],
  });
  for (const { name, principal } of DEVELOPMENT_PRINCIPALS) {
    await ensure(home.identityFiles(name), {
      spiffeId: principalSpiffeId(trustDomain, principal),
      keyAlgorithm: 'Ed25519',
      usages: ['client'],
    });
  }
  return { trust: { caPem: ca.certPem, trustDomain }, services, gatewayChannel, created };
}

async function ensureCa(home: Home, clock: Clock): Promise<{ ca: DevelopmentCa; created: boolean }> {
  const [certPem, keyPem] = await Promise.all([readIfPresent(home.caFile), readIfPresent(home.caKeyFile)]);
  if (certPem !== undefined && keyPem !== undefined) {
    requireRoot(home, certPem, keyPem);
    return { ca: { trustDomain: DEVELOPMENT_TRUST_DOMAIN, certPem, keyPem }, created: false };
  }
  const ca = await createDevelopmentCa({ trustDomain: DEVELOPMENT_TRUST_DOMAIN, clock });
  // The key first: a root without its key could never issue again.
  await writePrivate(home.caKeyFile, ca.keyPem);
  await writePrivate(home.caFile, ca.certPem);
  return { ca, created: true };
}

/** A root that cannot issue is never replaced silently: whoever trusts it would be cut off without a word. */
function requireRoot(home: Home, certPem: string, keyPem: string): void {
  const both = `${home.caFile} and ${home.caKeyFile}`;
  const next =
    'Restore them from a backup, or remove both: the next start makes a new trust root and issues everything anew.';
  let fits: boolean;
  try {
    const root = new X509Certificate(certPem);
    fits = root.ca && root.checkPrivateKey(createPrivateKey(keyPem));
  } catch {
    // OpenSSL's message can quote what it read.
    throw new CommandFailed(
      `The trust root is damaged: ${both} do not hold a certificate and its key. ${next}`,
    );
  }
  if (!fits) throw new CommandFailed(`The trust root is damaged: ${both} do not belong together. ${next}`);
}

async function ensureIdentity(files: IdentityFiles, wanted: IssueOptions): Promise<Identity> {
  const present = await readIdentity(files);
  const isUsable =
    present?.spiffeId === wanted.spiffeId &&
    issuedBy(present, wanted.ca) &&
    !needsRenewal(present.certPem, wanted.clock);
  if (isUsable) return present;
  const issued = await issue(wanted);
  await writePrivate(files.key, issued.keyPem);
  await writePrivate(files.cert, issued.certPem);
  return issued;
}

/** The identity in these files, or undefined where they are missing or do not fit together. */
export async function readIdentity(files: IdentityFiles): Promise<Identity | undefined> {
  const [certPem, keyPem] = await Promise.all([readIfPresent(files.cert), readIfPresent(files.key)]);
  if (certPem === undefined || keyPem === undefined) return undefined;
  try {
    return identityFromPem({ certPem, keyPem });
  } catch (error) {
    // A crash between the two writes leaves a pair that does not match; it is simply issued again.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

function issuedBy(identity: Identity, ca: DevelopmentCa): boolean {
  const leaf = new X509Certificate(identity.certPem);
  const root = new X509Certificate(ca.certPem);
  return leaf.checkIssued(root) && leaf.verify(root.publicKey);
}
