/** A new version becomes active; the old one only opens and verifies from then on. */
import { toHex } from '@sallyport/crypto';
import { notFound } from '@sallyport/service/errors';
import type { TellEvents } from '@sallyport/service/lifecycle';
import type { Actor, KeyEvent, KeyEventCause } from '../domain/key-event.ts';
import type { KeyIdentity, KeyRef, KeyVersion } from '../domain/key.ts';
import { newVersion, type NewVersionPorts } from './new-version.ts';
import type { CheckRecorder, KeyReader, KeyWriter } from './ports.ts';
import type { UseCounter } from './use-counter.ts';

export interface RotateKeyPorts extends NewVersionPorts {
  readonly keys: Pick<KeyReader, 'active'> & Pick<KeyWriter, 'activate'>;
  readonly checkRecorder: CheckRecorder;
  readonly tell: TellEvents;
  readonly uses: Pick<UseCounter, 'retire'>;
}

/**
 * Resolves to the version that is active now, with its events durable. Of calls that rotate the same version at the
 * same time one makes the new version, and all answer with it. Throws `not_found` for a key that was never made.
 */
export async function rotateKey(
  ports: RotateKeyPorts,
  ref: KeyRef,
  actor: Actor,
  cause: Extract<KeyEventCause, 'rotation' | 'use_limit'>,
): Promise<KeyVersion> {
  await ports.checkRecorder();
  const current = await ports.keys.active(ref);
  if (current === undefined) throw notFound(`there is no key ${ref.name}`, { field: 'name' });
  return replaceVersion(ports, current, actor, cause);
}

/** As `rotateKey`, for a version that was just read; done even while the recorder takes nothing new. */
export async function replaceVersion(
  ports: RotateKeyPorts,
  current: KeyVersion,
  actor: Actor,
  cause: Extract<KeyEventCause, 'rotation' | 'use_limit'>,
): Promise<KeyVersion> {
  const { keys, tell, uses } = ports;
  const next = await newVersion(ports, current, current.version + 1);
  const event = eventMaker(ports, next.createdAt, actor, cause);
  const outcome = await keys.activate(next, current, [event('created', next), event('deactivated', current)]);
  if (outcome === 'activated') {
    await uses.retire(current.keyId);
    await tell();
    return next;
  }
  // The unique version number let one of us through; the winner's version is the answer.
  const winner = await keys.active(current);
  if (winner === undefined) throw notFound(`key ${current.name} has no active version`);
  await tell();
  return winner;
}

/** Makes version 1 of a key, or resolves to the one somebody else made in the meantime. */
export async function createKey(ports: RotateKeyPorts, ref: KeyRef, actor: Actor): Promise<KeyVersion> {
  const { keys, tell } = ports;
  await ports.checkRecorder();
  const first = await newVersion(ports, ref, 1);
  const event = eventMaker(ports, first.createdAt, actor, 'first_use');
  const outcome = await keys.activate(first, undefined, [event('created', first)]);
  await tell();
  if (outcome === 'activated') return first;
  const winner = await keys.active(ref);
  if (winner === undefined) throw notFound(`key ${ref.name} has no active version`);
  return winner;
}

function eventMaker(ports: NewVersionPorts, timeMs: number, actor: Actor, cause: KeyEventCause) {
  return (change: KeyEvent['change'], key: KeyIdentity): KeyEvent => ({
    id: toHex(ports.random(16)),
    timeMs,
    actor,
    change,
    cause,
    subject: {
      type: 'key',
      tenant: key.tenant,
      kind: key.kind,
      name: key.name,
      version: key.version,
      keyId: key.keyId,
    },
  });
}
