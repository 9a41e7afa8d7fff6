import type { PolicyWriter } from './ports.ts';
import type { Publisher } from './publish.ts';

export type RenewPorts = {
  readonly writer: PolicyWriter;
  readonly publisher: Pick<Publisher, 'inForce' | 'wake'>;
  readonly activeKeyId: () => Promise<string>;
  readonly now: () => number;
};

/**
 * After a rotation, makes a revision of the same policy under the new key: the old one may be destroyed, and a gateway
 * that starts then could verify nothing. Told twice, it does it once. Throws `SallyportError`.
 */
export async function renewBundle(ports: RenewPorts): Promise<void> {
  const publication = ports.publisher.inForce()?.publication;
  // Nothing is published yet: whatever comes is signed by the new key.
  if (publication === undefined) return;
  const before = publication.keyId;
  const after = await ports.activeKeyId();
  if (before === after) return;
  await ports.writer.update(
    (state) =>
      // A revision that still waits for its bundle gets it under the new key anyway.
      state.revision > publication.revision
        ? { kind: 'unchanged' }
        : { kind: 'change', changes: [{ kind: 'bundle-key-replaced', before, after }] },
    { actor: { kind: 'service' }, atMs: ports.now() },
  );
  ports.publisher.wake();
}
