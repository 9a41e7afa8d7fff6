/**
 * A change of policy, from request to force.
 *
 * It is answered when the bundle of its revision is signed, verified and handed out. When that takes too long or fails,
 * the answer is `unavailable` and says that the change is stored: an administrator who took a right away must not
 * believe that it is gone while it is not. Repeating the request is safe; it stores nothing twice (docs/adr/0020).
 */
import {
  SallyportError,
  conflict,
  invalidArgument,
  notFound,
  tooLarge,
  unavailable,
} from '@sallyport/service/errors';
import type { Planner } from '../domain/policy-state.ts';
import type { Refusal } from '../domain/result.ts';
import type { Actor, CheckRecorder, PolicyWriter, Sleep } from './ports.ts';
import type { Publisher } from './publish.ts';

export type WritePorts = {
  readonly writer: PolicyWriter;
  readonly publisher: Pick<Publisher, 'ensure' | 'wake'>;
  readonly checkRecorder: CheckRecorder;
  readonly now: () => number;
  readonly sleep: Sleep;
  /** How long a write waits to come into force before it is answered as stored only. */
  readonly forceWaitMs: number;
};

/** Resolves with the revision in force. Throws `SallyportError`. */
export async function write(ports: WritePorts, actor: Actor, plan: Planner): Promise<bigint> {
  await ports.checkRecorder();
  const written = await ports.writer.update(plan, { actor, atMs: ports.now() });
  if (written.kind === 'refused') throw refusalError(written.refusal);
  const revision = written.kind === 'written' ? written.state.revision : written.revision;
  await bounded(ports, revision);
  return revision;
}

async function bounded(ports: WritePorts, revision: bigint): Promise<void> {
  const done = new AbortController();
  try {
    await Promise.race([
      ports.publisher.ensure(revision),
      ports.sleep(ports.forceWaitMs, done.signal).then(() => {
        throw unavailable(`no bundle within ${ports.forceWaitMs} ms`);
      }),
    ]);
  } catch (cause) {
    ports.publisher.wake();
    throw storedOnly(revision, cause);
  } finally {
    done.abort();
  }
}

function storedOnly(revision: bigint, cause: unknown): SallyportError {
  const why = cause instanceof SallyportError && cause.reason !== 'internal' ? ` (${cause.message})` : '';
  return unavailable(
    `The change is stored as revision ${revision} but not in force yet: its bundle could not be published${why}. ` +
      'It comes into force by itself once it can be; the same request may be repeated to wait for it.',
    { cause },
  );
}

/** What the caller reads of a refusal. */
export function refusalError(refusal: Refusal): SallyportError {
  const options = { field: refusal.field };
  switch (refusal.kind) {
    case 'malformed':
      return invalidArgument(refusal.message, options);
    case 'unknown':
      return notFound(refusal.message, options);
    case 'inconsistent':
      return new SallyportError('policy_invalid', refusal.message, options);
    case 'conflict':
      return conflict(refusal.message, options);
    case 'too-large':
      return tooLarge(refusal.message, options);
  }
}
