/** A new pre-shared key. The system makes its bytes; they are shown in this answer and nowhere else, ever. */
import { toHex } from '@sallyport/crypto';
import { SallyportError, invalidArgument } from '@sallyport/service/errors';
import { parsePrincipalId } from '@sallyport/service/identity';
import type { TellEvents } from '@sallyport/service/lifecycle';
import type { Actor } from '../domain/events.ts';
import {
  DEFAULT_PSK_DAYS,
  MAX_LIVE_PSKS,
  MAX_PSK_DAYS,
  MAX_TEXT_CHARACTERS,
  PSK_BYTES,
  PSK_ID_BYTES,
} from '../domain/limits.ts';
import { pskContext } from '../domain/psk.ts';
import { parseLine } from '../domain/text.ts';
import type { CheckRecorder, Keys, Now, PskStore, Random } from './ports.ts';

export interface CreatePskPorts {
  readonly psks: Pick<PskStore, 'insert'>;
  readonly keys: Pick<Keys, 'encrypt'>;
  readonly checkRecorder: CheckRecorder;
  readonly tell: TellEvents;
  readonly random: Random;
  readonly now: Now;
  readonly tenant: string;
  readonly trustDomain: string;
}

export interface PskWanted {
  readonly principal: string;
  /** 0 = 90. */
  readonly lifetimeDays: number;
  readonly label: string;
}

export interface NewPsk {
  readonly pskId: Uint8Array;
  /** 32 bytes, for the answer. */
  readonly psk: Uint8Array;
  readonly notAfter: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** Throws `invalid_argument`, `too_large` when the principal has enough keys, `unavailable`, `spool_full`. */
export async function createPsk(ports: CreatePskPorts, actor: Actor, wanted: PskWanted): Promise<NewPsk> {
  const { principal, lifetimeDays, label } = parse(wanted);
  await ports.checkRecorder();
  const now = ports.now();
  const pskId = ports.random(PSK_ID_BYTES);
  const psk = ports.random(PSK_BYTES);
  const identity = { pskId, principal, trustDomain: ports.trustDomain };
  const sealed = await ports.keys.encrypt(psk, pskContext(identity));
  const notAfter = now + lifetimeDays * DAY_MS;
  const inserted = await ports.psks.insert(
    { ...identity, label, sealed, createdAt: now, notAfter, revokedAt: undefined },
    {
      kind: 'psk_created',
      id: toHex(ports.random(16)),
      timeMs: now,
      tenant: ports.tenant,
      actor,
      principal,
      pskId: toHex(pskId),
      label,
    },
    MAX_LIVE_PSKS,
  );
  if (inserted === 'full') {
    psk.fill(0);
    throw new SallyportError(
      'too_large',
      `${principal} has ${MAX_LIVE_PSKS} pre-shared keys in use; revoke one first`,
      { field: 'principal' },
    );
  }
  await ports.tell();
  return { pskId, psk, notAfter };
}

function parse({ principal, lifetimeDays, label }: PskWanted): PskWanted {
  if (parsePrincipalId(principal) === undefined)
    throw invalidArgument('not a principal, which looks like workload:batch', { field: 'principal' });
  if (lifetimeDays > MAX_PSK_DAYS)
    throw invalidArgument(`at most ${MAX_PSK_DAYS} days`, { field: 'lifetime_days' });
  const line = parseLine(label);
  if (line === undefined)
    throw invalidArgument(`one line of at most ${MAX_TEXT_CHARACTERS} characters`, { field: 'label' });
  return { principal, lifetimeDays: lifetimeDays === 0 ? DEFAULT_PSK_DAYS : lifetimeDays, label: line };
}
