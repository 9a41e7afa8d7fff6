/**
 * Certificates for the local servers, from an authority of their own: it vouches for nobody in the deployment's trust
 * domain, and its key is thrown away once the leaf is signed, so that nobody can issue another.
 */
import { X509Certificate } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock, type Clock } from '../clock/index.ts';
import { createDevelopmentCa, unsafeIssue } from '../identity/development-ca.ts';

export interface ServerTls {
  /** What clients trust; the name to expect is `localhost` or the address they dial. */
  readonly caPem: string;
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

const LIFETIME_DAYS = 365;
const RENEW_BEFORE_MS = 30 * 24 * 60 * 60 * 1000;

/** Makes the three files in `folder` (0700, keys 0600), or takes those that are there and good for 30 days more. */
export async function serverTls(
  folder: string,
  clock: Pick<Clock, 'now'> = systemClock(),
): Promise<ServerTls> {
  const files = {
    caFile: join(folder, 'ca.pem'),
    certFile: join(folder, 'server.pem'),
    keyFile: join(folder, 'server.key'),
  };
  const known = await readGood(files, clock);
  if (known !== undefined) return { ...files, caPem: known };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const ca = await createDevelopmentCa({
    trustDomain: 'servers.sallyport.local',
    clock,
    lifetimeDays: LIFETIME_DAYS,
  });
  const leaf = await unsafeIssue({
    ca,
    clock,
    subject: 'CN=localhost',
    names: [
      { type: 'dns', value: 'localhost' },
      { type: 'ip', value: '127.0.0.1' },
      { type: 'ip', value: '::1' },
    ],
    keyAlgorithm: 'P-256',
    usages: ['server', 'client'], // a Redis replica shows it to its master
    lifetimeDays: LIFETIME_DAYS,
  });
  await replace(files.keyFile, leaf.keyPem);
  await replace(files.certFile, leaf.certPem);
  await replace(files.caFile, ca.certPem);
  return { ...files, caPem: ca.certPem };
}

async function readGood(
  files: Pick<ServerTls, 'caFile' | 'certFile' | 'keyFile'>,
  clock: Pick<Clock, 'now'>,
): Promise<string | undefined> {
  try {
    const [caPem, certPem] = await Promise.all([
      readFile(files.caFile, 'utf8'),
      readFile(files.certFile, 'utf8'),
      readFile(files.keyFile),
    ]);
    const leaf = new X509Certificate(certPem);
    const lasts = leaf.validToDate.getTime() > clock.now() + RENEW_BEFORE_MS;
    return lasts && leaf.verify(new X509Certificate(caPem).publicKey) ? caPem : undefined;
  } catch {
    return undefined; // missing or damaged: made anew
  }
}

async function replace(file: string, content: string): Promise<void> {
  await writeFile(`${file}.new`, content, { mode: 0o600 });
  await rename(`${file}.new`, file);
}
