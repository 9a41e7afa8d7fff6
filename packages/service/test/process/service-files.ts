/** The files that a service's configuration names, all good, each to be spoilt. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock/index.ts';
import {
  createDevelopmentCa,
  issue,
  type DevelopmentCa,
  type ServiceName,
} from '../../src/identity/index.ts';

export interface ServiceFiles extends AsyncDisposable {
  readonly folder: string;
  readonly ca: DevelopmentCa;
  /** Configuration text with the sections that every service has; no server needs to be where it says. */
  readonly yaml: string;
  write(name: string, content: string, mode?: number): Promise<string>;
}

export const TRUST_DOMAIN = 'example.org';

export async function serviceFiles(service: ServiceName): Promise<ServiceFiles> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-process-'));
  const write = async (name: string, content: string, mode = 0o600): Promise<string> => {
    await writeFile(join(folder, name), content, { mode });
    return join(folder, name);
  };
  const clock = systemClock();
  const ca = await createDevelopmentCa({ trustDomain: TRUST_DOMAIN, clock });
  const leaf = await issue({
    ca,
    clock,
    spiffeId: `spiffe://${TRUST_DOMAIN}/svc/${service}`,
    keyAlgorithm: 'P-256',
    usages: ['server', 'client'],
    dns: ['localhost'],
    ip: ['127.0.0.1'],
  });
  await write('ca.pem', ca.certPem);
  await write('cert.pem', leaf.certPem);
  await write('key.pem', leaf.keyPem);
  await write('nats.password', 'a-password-for-nats\n');
  await write('database.password', 'a-password-for-postgres\n');
  const yaml = [
    'identity:',
    '  certFile: cert.pem',
    '  keyFile: key.pem',
    '  caFile: ca.pem',
    `  trustDomain: ${TRUST_DOMAIN}`,
    'nats:',
    '  servers: ["127.0.0.1:1"]',
    '  user: somebody',
    '  passwordFile: nats.password',
    '  caFile: ca.pem',
    '',
  ].join('\n');
  return {
    folder,
    ca,
    yaml,
    write,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
