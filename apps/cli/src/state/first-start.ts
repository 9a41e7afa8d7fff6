/** Calls that `up` makes on itself: a first start's pre-shared key, the pinned key of the audit log, what is wrong with it. */
import { auditv1, authv1 } from '@sallyport/proto';
import { grpcClient } from '@sallyport/service/grpc';
import type { Identity, Trust } from '@sallyport/service/identity';
import { pskFileText } from '../commands/psk.ts';
import { addressOf, requireIdentity } from '../connect.ts';
import { readIfPresent, writePrivate } from './files.ts';
import type { Home } from './home.ts';
import { DEVELOPMENT_PSK } from './identities.ts';

const DEADLINE_MS = 10_000;

/** Makes the pre-shared key by the same call that an administrator makes, where its file is missing. */
export async function ensureDevelopmentPsk(home: Home, trust: Trust): Promise<void> {
  const file = home.pskFile(DEVELOPMENT_PSK.name);
  if ((await readIfPresent(file)) !== undefined) return;
  const identity: Identity = await requireIdentity(home, 'admin');
  await using client = grpcClient(authv1.AuthService, {
    address: addressOf(home, 'auth-service'),
    expectedServer: 'auth-service',
    identity,
    trust,
    deadlineMs: DEADLINE_MS,
  });
  const made = await client.createPsk({
    principal: DEVELOPMENT_PSK.principal,
    lifetimeDays: 365,
    label: 'made on first start',
  });
  await writePrivate(file, pskFileText(DEVELOPMENT_PSK.principal, made));
}

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
