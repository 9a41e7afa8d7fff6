/** What is observed while a run goes on: signed heads of every replica, and policy that changes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseCheckpoint } from '@sallyport/audit-log';
import { toHex } from '@sallyport/crypto';
import { auditv1 } from '@sallyport/proto';
import { grpcClient } from '@sallyport/service/grpc';
import type { Identity, Trust } from '@sallyport/service/identity';
import { readTrust, requireIdentity } from '../../src/connect.ts';
import type { Home } from '../../src/state/home.ts';
import { runCommand } from '../support/command-line.ts';
import type { PolicyChange, SeenCheckpoint } from './oracle.ts';

export type Watch<T> = { readonly seen: readonly T[]; stop(): Promise<void> };

export type Access = { readonly home: Home; readonly identity: Identity; readonly trust: Trust };

export async function administrator(home: Home): Promise<Access> {
  const [identity, trust] = await Promise.all([requireIdentity(home, 'admin'), readTrust(home)]);
  return { home, identity, trust };
}

/** Asks every replica for its checkpoint, again and again; one that does not answer is asked again. */
export function watchCheckpoints(access: Access, addresses: readonly string[]): Watch<SeenCheckpoint> {
  const seen = new Map<string, SeenCheckpoint>();
  const isOver = new AbortController();
  const running = Promise.all(
    addresses.map(async (address) => {
      await using client = auditClient(access, address);
      while (!isOver.signal.aborted) {
        const text = await client.getCheckpoint({}).then(
          ({ checkpoint }) => checkpoint,
          () => '',
        );
        // C2SP signed-note: the text ends at the first empty line; signatures are for `audit verify`, at the end.
        const parsed = parseCheckpoint(text.slice(0, text.indexOf('\n\n') + 1));
        if (parsed !== undefined) {
          const rootHex = toHex(parsed.root);
          seen.set(`${parsed.size} ${rootHex}`, { size: parsed.size, rootHex });
        }
        await sleep(200, undefined, { signal: isOver.signal }).catch(() => undefined);
      }
    }),
  );
  return {
    get seen() {
      return [...seen.values()];
    },
    async stop() {
      isOver.abort();
      await running;
    },
  };
}

export function auditClient({ identity, trust }: Access, address: string) {
  return grpcClient(auditv1.AuditService, {
    address,
    expectedServer: 'audit-service',
    identity,
    trust,
    deadlineMs: 5_000,
    maxMessageBytes: 16 * 1024 * 1024,
  });
}

/** Hashes of all leaves, from any replica. */
export async function leafHashes(access: Access, address: string): Promise<readonly Uint8Array[]> {
  await using client = auditClient(access, address);
  const hashes: Uint8Array[] = [];
  for await (const { leaves } of client.exportLeaves({ from: 0n }))
    for (const { leafHash } of leaves) hashes.push(leafHash);
  return hashes;
}

/** Binds and unbinds somebody, so that revisions come and go while decisions are made. */
export function changePolicy(env: Record<string, string>, everyMs: number): Watch<PolicyChange> {
  const seen: PolicyChange[] = [];
  const isOver = new AbortController();
  const running = (async () => {
    for (let turn = 0; !isOver.signal.aborted; turn += 1) {
      const verb = turn % 2 === 0 ? 'bind' : 'unbind';
      const { code, json } = await runCommand(['policy', verb, 'user:guest', 'auditor', '--json'], { env });
      if (code === 0) seen.push({ revision: Number(json()[0]?.['revision']), inForceAtMs: Date.now() });
      await sleep(everyMs, undefined, { signal: isOver.signal }).catch(() => undefined);
    }
  })();
  return {
    seen,
    async stop() {
      isOver.abort();
      await running;
    },
  };
}
