/** The name of a spool's sequence: the service's SPIFFE id and an instance id that lives and dies with the folder. */
import { randomBytes } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDurableFolder } from '@sallyport/audit-log';
import { toHex } from '@sallyport/crypto';

const FILE = 'instance';
const INSTANCE = /^[0-9a-f]{16}$/u;

/**
 * `spiffe://sallyport.local/svc/gateway#3f9c…`. Made once per folder and durable before it is used: a sequence that
 * began under a name goes on under it, and a lost folder begins a new one instead of reusing numbers.
 * Throws `Error` for a file that holds something else.
 */
export async function producerOf(serviceId: string, directory: string): Promise<string> {
  await makeDurableFolder(directory);
  const path = join(directory, FILE);
  const instance = (await readIfThere(path)) ?? (await create(directory, path));
  if (!INSTANCE.test(instance)) throw new Error(`${path} does not hold an instance id (16 hex digits)`);
  return `${serviceId}#${instance}`;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function create(directory: string, path: string): Promise<string> {
  const instance = toHex(randomBytes(8));
  const temporary = `${path}.tmp`;
  await using file = await open(temporary, 'w', 0o600);
  await file.writeFile(`${instance}\n`);
  await file.sync();
  await rename(temporary, path);
  await using folder = await open(directory, 'r');
  await folder.sync();
  return instance;
}
