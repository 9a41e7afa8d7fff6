/** The configuration file of each process: what a person would write by hand, made of what this start found. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { EmbeddedConfig } from '../config.ts';
import { writePrivate } from '../state/files.ts';
import type { Home } from '../state/home.ts';
import { DEVELOPMENT_TRUST_DOMAIN } from '../state/identities.ts';
import { firstBindings } from '../up-options.ts';
import type { Backends } from './backends.ts';
import { publicOriginOf, writtenServers } from '../model-context.ts';
import { addressesOf, HOST, signInAddresses, type Replica } from './layout.ts';
import { writtenRoute, writtenServer } from './written-route.ts';

export type Deployment = {
  readonly home: Home;
  readonly config: EmbeddedConfig;
  readonly backends: Backends;
  readonly replicas: readonly Replica[];
};

/** Writes every process's file and makes its folder. */
export async function writeServiceFiles(deployment: Deployment): Promise<void> {
  await Promise.all(
    deployment.replicas.map(async (replica) => {
      await mkdir(replica.folder, { recursive: true, mode: 0o700 });
      // JSON is YAML (YAML 1.2.2 section 1.3).
      const text = JSON.stringify(serviceFile(deployment, replica), undefined, 2);
      await writePrivate(replica.configFile, `${text}\n`);
    }),
  );
}

/** What the process reads; `apps/<service>/README.md` explains the keys. */
export function serviceFile(deployment: Deployment, replica: Replica): Readonly<Record<string, unknown>> {
  const { backends } = deployment;
  if (replica.service === 'gateway') {
    return { ...common(deployment, replica), ...gateway(deployment, replica), redis: backends.redis };
  }
  return {
    ...common(deployment, replica),
    database: backends.database[replica.service],
    probes: { host: HOST, port: replica.probesPort },
    port: replica.port,
    ...own(deployment, replica),
  };
}

function common({ home, config, backends }: Deployment, { service, folder }: Replica) {
  const { cert, key } = home.serviceFiles(service);
  return {
    identity: { certFile: cert, keyFile: key, caFile: home.caFile, trustDomain: DEVELOPMENT_TRUST_DOMAIN },
    nats: backends.nats[service],
    allowInsecureBackends: backends.allowInsecureBackends,
    log: { level: config.log.level },
    telemetry: config.telemetry,
    host: HOST,
    spoolDirectory: join(folder, 'spool'),
  };
}

function gateway({ home, config, replicas }: Deployment, { folder, number, port, probesPort }: Replica) {
  const { cert, key } = home.serviceFiles('gateway-channel');
  const routes = Object.entries(config.routes).map(([name, route]): [string, unknown] => [
    name,
    writtenRoute(route),
  ]);
  return {
    httpsPort: probesPort,
    channelPort: port,
    channelIdentity: { certFile: cert, keyFile: key },
    bundleDirectory: join(folder, 'bundle'),
    authAddress: addressesOf(replicas, 'auth-service', number),
    keyAddress: addressesOf(replicas, 'key-service', number),
    policyAddress: addressesOf(replicas, 'policy-service', number),
    policy: { maxAge: `${config.policy.maxAge}ms` },
    revocations: { deadAfter: `${config.revocations.deadAfter}ms` },
    ...(config.spool.maxBytes === undefined ? {} : { spoolMaxBytes: config.spool.maxBytes }),
    routes: { ...Object.fromEntries(routes), echo: { kind: 'echo' } },
    modelContext: {
      publicOrigin: publicOriginOf(config.modelContext, home.ports.https),
      allowedOrigins: config.modelContext.allowedOrigins,
      allowBearerTokens: config.modelContext.allowBearerTokens ?? false,
      authHttpAddress: signInAddresses(replicas, number),
      servers: writtenServers(config.modelContext, writtenServer),
    },
  };
}

/** The keys that only this service has. */
function own({ home, config, replicas }: Deployment, replica: Replica): Readonly<Record<string, unknown>> {
  const keyAddress = addressesOf(replicas, 'key-service', replica.number);
  const policyAddress = addressesOf(replicas, 'policy-service', replica.number);
  switch (replica.service) {
    case 'gateway':
      return {};
    case 'key-service':
      return { rootKeyFile: home.rootKeyFile, policyAddress };
    case 'policy-service':
      return { keyAddress, builtIn: firstBindings(), toolPinning: config.modelContext.pinning };
    case 'auth-service':
      return {
        keyAddress,
        policyAddress,
        anchorsFile: home.caFile,
        trustDomain: DEVELOPMENT_TRUST_DOMAIN,
        certificates: config.certificates,
        publicOrigin: publicOriginOf(config.modelContext, home.ports.https),
        oauth: {
          httpPort: replica.signInPort,
          allowDynamicRegistration: config.modelContext.allowDynamicRegistration ?? false,
          allowPrivateMetadataHosts: config.modelContext.allowPrivateMetadataHosts,
          metadataCaFile: config.modelContext.metadataCaFile,
        },
      };
    case 'audit-service':
      return {
        keyAddress,
        policyAddress,
        logDirectory: join(replica.folder, 'log'),
        origin: `${DEVELOPMENT_TRUST_DOMAIN}/audit`,
      };
  }
}
