/** The files that a service's configuration names, all good, each to be spoilt. */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemClock } from '../clock/index.ts';
import { createDevelopmentCa, issue, type DevelopmentCa, type ServiceName } from '../identity/index.ts';

export interface ServiceFiles extends AsyncDisposable {
  /** Holds `tls/ca.pem`, `tls/backends.pem`, `tls/service.pem` and its key, for the gateway `tls/channel.pem` and its key; `secrets/*`. */
  readonly folder: string;
  readonly ca: DevelopmentCa;
  write(name: string, content: string | Uint8Array, mode?: number): Promise<string>;
}

export const TRUST_DOMAIN = 'example.org';

/** What the samples in the READMEs of the services name. */
export async function serviceFiles(service: ServiceName): Promise<ServiceFiles> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-process-'));
  const write = async (name: string, content: string | Uint8Array, mode = 0o600): Promise<string> => {
    const file = join(folder, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content, { mode });
    return file;
  };
  const clock = systemClock();
  const ca = await createDevelopmentCa({ trustDomain: TRUST_DOMAIN, clock });
  const pair = async (name: string, keyAlgorithm: 'P-256' | 'Ed25519'): Promise<void> => {
    const leaf = await issue({
      ca,
      clock,
      spiffeId: `spiffe://${TRUST_DOMAIN}/svc/${service}`,
      keyAlgorithm,
      usages: ['server', 'client'],
      dns: ['localhost'],
      ip: ['127.0.0.1'],
    });
    await write(`tls/${name}.pem`, leaf.certPem);
    await write(`tls/${name}.key`, leaf.keyPem);
  };
  await write('tls/ca.pem', ca.certPem);
  await write('tls/backends.pem', ca.certPem);
  await pair('service', 'P-256');
  await pair('channel', 'Ed25519');
  for (const name of ['nats', 'postgres', 'redis'])
    await write(`secrets/${name}`, `${randomBytes(24).toString('base64url')}\n`);
  return {
    folder,
    ca,
    write,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
