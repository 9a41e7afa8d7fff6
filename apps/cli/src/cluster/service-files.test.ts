import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@sallyport/service/clock';
import { createDevelopmentCa } from '@sallyport/service/identity';
import { loadConfig } from '@sallyport/service/config';
import { expect, test } from 'vitest';
import { embeddedConfig } from '../config.ts';
import { locateHome } from '../state/home.ts';
import type { Backends } from './backends.ts';
import type { Replica } from './layout.ts';
import { serviceFile } from './service-files.ts';

const credentials = { passwordFile: 'secret', user: 'somebody' };
const nats = { ...credentials, servers: ['127.0.0.1:4222'] };
const database = { ...credentials, host: '127.0.0.1', port: 5432, database: 'sallyport', maxConnections: 4 };
const backends: Backends = {
  redis: { kind: 'standalone', nodes: ['127.0.0.1:6379'], username: 'somebody', passwordFile: 'secret' },
  nats: {
    ...{ gateway: nats, 'auth-service': nats, 'key-service': nats, 'policy-service': nats },
    'audit-service': nats,
  },
  database: {
    ...{ 'auth-service': database, 'key-service': database, 'policy-service': database },
    'audit-service': database,
  },
  allowInsecureBackends: false,
};
const authService: Replica = {
  ...{ service: 'auth-service', number: 1, name: 'auth-service-1', folder: 'f', configFile: 'f/config.yaml' },
  ...{ port: 1, probesPort: 2, signInPort: 3 },
};

function written(modelContext: Readonly<Record<string, unknown>>): unknown {
  return fileOf({ modelContext }).oauth;
}

function fileOf(overrides: Readonly<Record<string, unknown>>) {
  const config = loadConfig(embeddedConfig, { env: {}, overrides });
  const home = locateHome({}, { home: '/nowhere', portBase: '1' });
  const file = serviceFile({ home, config, backends, replicas: [authService] }, authService);
  return JSON.parse(JSON.stringify(file)) as { oauth: unknown; certificates: unknown };
}

test('auth-service is told whose metadata documents may come from private addresses', () => {
  const hosts = ['apps.internal', '10.0.0.1'];
  expect(written({ allowPrivateMetadataHosts: hosts })).toEqual({
    ...{ httpPort: 3, allowDynamicRegistration: false, allowPrivateMetadataHosts: hosts },
  });
});

test('unless it is asked for there are none, and nobody may register', () => {
  expect(written({})).toEqual({
    ...{ httpPort: 3, allowDynamicRegistration: false, allowPrivateMetadataHosts: [] },
  });
});

test('auth-service is told whose certificates open sessions, by files that it finds wherever it runs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'service-files-'));
  try {
    const anchorsFile = join(folder, 'partner.pem');
    const { certPem } = await createDevelopmentCa({
      trustDomain: 'partner.example',
      clock: systemClock(),
    });
    await writeFile(anchorsFile, certPem);
    const identities = [
      { from: 'dns', pattern: '{name}.partner.example', principal: 'device:partner.{name}' },
    ];
    const domain = { name: 'partner.example', anchorsFile, profile: 'rfc5280', identities };
    const certificates = { denyListFile: join(folder, 'denied'), trustDomains: [domain] };
    const given = fileOf({ certificates }).certificates;
    expect(given).toMatchObject(certificates);
    // What is written is what the service reads.
    const read = (written: unknown) =>
      loadConfig(embeddedConfig, { env: {}, overrides: { certificates: written } }).certificates;
    expect(read(given)).toEqual(read(certificates));
  } finally {
    await rm(folder, { recursive: true });
  }
});
