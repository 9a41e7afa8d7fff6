import type { Binding } from '../domain/binding.ts';
import { adminsOf } from '../domain/plan-bindings.ts';
import { planStart } from '../domain/plan-start.ts';
import type { PolicyReader, PolicyWriter, PublisherLog } from './ports.ts';
import { refusalError } from './write.ts';

/**
 * Brings the stored policy up to this release and, on an empty database only, gives the initial bindings. Throws
 * `SallyportError` when one of them names a role that does not exist.
 */
export async function start(
  ports: {
    readonly policy: PolicyReader & PolicyWriter;
    readonly now: () => number;
    readonly log: Pick<PublisherLog, 'warn'>;
  },
  contentDigest: string,
  initial: readonly Binding[],
): Promise<void> {
  const written = await ports.policy.update((state) => planStart(state, contentDigest, initial), {
    actor: { kind: 'service' },
    atMs: ports.now(),
  });
  if (written.kind === 'refused') throw refusalError(written.refusal);
  const state = written.kind === 'written' ? written.state : await ports.policy.read();
  if (adminsOf(state) === 0) {
    ports.log.warn('nobody holds the role admin: nobody can change policy');
  }
}
