/** A pre-shared key that no longer opens sessions, and ends those that it opened. */
import { credentialDigest } from '@sallyport/channel';
import { toHex } from '@sallyport/crypto';
import { invalidArgument, notFound } from '@sallyport/service/errors';
import type { TellEvents } from '@sallyport/service/lifecycle';
import type { Actor } from '../domain/events.ts';
import { PSK_ID_BYTES } from '../domain/limits.ts';
import type { PayRevocations } from './pay-revocations.ts';
import type { Now, PskStore, Random } from './ports.ts';
import type { PskKeys } from './psk-keys.ts';
import { sessionEnded } from './session-events.ts';

export interface RevokePskPorts {
  readonly psks: Pick<PskStore, 'revoke'>;
  readonly pskKeys: Pick<PskKeys, 'drop'>;
  readonly tell: TellEvents;
  readonly payRevocations: PayRevocations;
  readonly random: Random;
  readonly now: Now;
  readonly tenant: string;
}

/** Repeating changes nothing. Throws `invalid_argument`, `not_found`, `spool_full`, `unavailable`. */
export async function revokePsk(ports: RevokePskPorts, actor: Actor, pskId: Uint8Array): Promise<void> {
  if (pskId.length !== PSK_ID_BYTES)
    throw invalidArgument(`the id of a pre-shared key has ${PSK_ID_BYTES} bytes`, { field: 'psk_id' });
  const now = ports.now();
  const ended = { how: 'revoked', at: now, cause: 'psk_revoked' } as const;
  const revoked = await ports.psks.revoke({
    pskId,
    credentialDigest: credentialDigest(pskId),
    ended,
    pskEvent: ({ principal, label }) => ({
      kind: 'psk_revoked',
      id: toHex(ports.random(16)),
      timeMs: now,
      tenant: ports.tenant,
      actor,
      principal,
      pskId: toHex(pskId),
      label,
    }),
    sessionEvent: sessionEnded(ports.random, actor, ended),
  });
  if (revoked === 'unknown') throw notFound('no such pre-shared key', { field: 'psk_id' });
  ports.pskKeys.drop(pskId);
  // Also when it was revoked before: an earlier call may have died between commit and here.
  await Promise.all([ports.tell(), ports.payRevocations()]);
}
