import { SallyportError } from '@sallyport/service/errors';
import type { InForce } from './publish.ts';

export type BundleAnswer = { readonly revision: bigint; readonly bundle: Uint8Array };

const nothing = new Uint8Array();

/**
 * The bundle in force, or an empty one when the caller runs it already. A caller that runs a later revision than ours
 * gets none either: no gateway goes back to an older policy. Throws `SallyportError` `policy_unavailable`.
 */
export function getBundle(inForce: () => InForce | undefined, currentRevision: bigint): BundleAnswer {
  const publication = inForce()?.publication;
  if (publication === undefined) {
    throw new SallyportError('policy_unavailable', 'No bundle was ever published; ask again shortly.');
  }
  return {
    revision: publication.revision,
    bundle: currentRevision >= publication.revision ? nothing : publication.bundle,
  };
}
