/** The revocation pass over a path that RFC 5280 section 6.1 accepts. */
import type { RevocationInput } from '../input.ts';
import type { ValidatedPath } from '../path/types.ts';
import type { RevocationContext, RevocationOutcome } from './types.ts';

/** Looks at each certificate of the path, from the anchor downwards, as far as `input` asks. */
export function checkRevocation(
  path: ValidatedPath,
  input: RevocationInput,
  context: RevocationContext,
): RevocationOutcome {
  if (input.mode === 'none') return { failure: undefined, reports: [] };
  void path;
  void context;
  const failure = { reason: 'revocation_unknown', section: '', detail: 'not there yet' } as const;
  return { failure, reports: [] };
}
