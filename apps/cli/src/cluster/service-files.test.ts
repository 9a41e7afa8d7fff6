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
  const config = loadConfig(embeddedConfig, { env: {}, overrides: { modelContext } });
  const home = locateHome({}, { home: '/nowhere', portBase: '1' });
  const file = serviceFile({ home, config, backends, replicas: [authService] }, authService);
  return (JSON.parse(JSON.stringify(file)) as { oauth: unknown }).oauth;
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
