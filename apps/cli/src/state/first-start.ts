/** Calls that `up` makes on itself: a first start's pre-shared key and passwords, the pinned key of the audit log, what is wrong with it. */
import { randomBytes } from 'node:crypto';
import { auditv1, authv1 } from '@sallyport/proto';
import { grpcClient } from '@sallyport/service/grpc';
import type { Trust } from '@sallyport/service/identity';
import { pskFileText } from '../commands/psk.ts';
import { addressOf, requireIdentity } from '../connect.ts';
import { readIfPresent, writePrivate } from './files.ts';
import type { Home } from './home.ts';
import { DEVELOPMENT_PRINCIPALS, DEVELOPMENT_PSK, DEVELOPMENT_SIGN_INS } from './identities.ts';

const DEADLINE_MS = 10_000;

/** Makes the pre-shared key by the same call that an administrator makes, where its file is missing. */
export async function ensureDevelopmentPsk(home: Home, trust: Trust): Promise<void> {
  const file = home.pskFile(DEVELOPMENT_PSK.name);
  if ((await readIfPresent(file)) !== undefined) return;
  await using client = await authService(home, trust);
  const made = await client.createPsk({
    principal: DEVELOPMENT_PSK.principal,
    lifetimeDays: 365,
    label: 'made on first start',
  });
  await writePrivate(file, pskFileText(DEVELOPMENT_PSK.principal, made));
}

/** Passwords for the sign-in page: random, and the file is where to find one. */
export async function ensureDevelopmentPasswords(home: Home, trust: Trust): Promise<void> {
  for (const { name, principal } of DEVELOPMENT_PRINCIPALS) {
    if (!(DEVELOPMENT_SIGN_INS as readonly string[]).includes(name)) continue;
    const file = home.passwordFile(name);
    if ((await readIfPresent(file)) !== undefined) continue;
    const password = randomBytes(15).toString('base64url');
    await using client = await authService(home, trust);
    await client.setPassword({ principal, password });
    await writePrivate(file, `${password}\n`);
  }
}

const authService = async (home: Home, trust: Trust) =>
  grpcClient(authv1.AuthService, {
    address: addressOf(home, 'auth-service'),
    expectedServer: 'auth-service',
    identity: await requireIdentity(home, 'admin'),
    trust,
    deadlineMs: DEADLINE_MS,
  });

/**
 * Writes the audit log's verifier key beside the trust root on first start, and never again: from then on a log signed
 * by another key does not verify.
 */
export async function pinLogKey(home: Home, trust: Trust): Promise<void> {
  if ((await readIfPresent(home.logKeyFile)) !== undefined) return;
  const { verifierKey } = await readCheckpoint(home, trust);
  await writePrivate(home.logKeyFile, `${verifierKey}\n`);
}

/** What audit-service found wrong with its stored log; empty when it fits together. */
export async function readLogFindings(home: Home, trust: Trust): Promise<readonly string[]> {
  return (await readCheckpoint(home, trust)).findings;
}

async function readCheckpoint(home: Home, trust: Trust): Promise<auditv1.GetCheckpointResponse> {
  await using client = grpcClient(auditv1.AuditService, {
    address: addressOf(home, 'audit-service'),
    expectedServer: 'audit-service',
    identity: await requireIdentity(home, 'admin'),
    trust,
    deadlineMs: DEADLINE_MS,
  });
  return await client.getCheckpoint({});
}
