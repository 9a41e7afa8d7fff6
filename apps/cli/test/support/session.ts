/** A session of the secure channel as one of the development principals. */
import { readFile } from 'node:fs/promises';
import { connect, type Channel } from '@sallyport/client';
import type { Home } from '../../src/state/home.ts';
import { DEVELOPMENT_TRUST_DOMAIN } from '../../src/state/identities.ts';

export async function openSession(home: Home, name: string, timeoutMs = 10_000): Promise<Channel> {
  const files = home.identityFiles(name);
  const [caPem, certPem, key] = await Promise.all([
    readFile(home.caFile, 'utf8'),
    readFile(files.cert, 'utf8'),
    readFile(files.key, 'utf8'),
  ]);
  return connect({
    address: `localhost:${home.ports.channel}`,
    trust: { caPem, trustDomain: DEVELOPMENT_TRUST_DOMAIN },
    credential: { kind: 'certificate', certPem, key },
    timeoutMs,
    // One gateway in one process: its sessions are gone with it, and a test that kills it wants to know at once.
    resume: false,
  });
}

export const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
