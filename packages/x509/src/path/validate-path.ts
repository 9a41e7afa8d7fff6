/** RFC 5280 section 6.1. */
import type { CandidatePath, PathContext, PathOutcome } from './types.ts';

export function validatePath(candidate: CandidatePath, context: PathContext): PathOutcome {
  void candidate;
  void context;
  return { ok: false, failure: { reason: 'no_path', section: '', detail: 'not there yet' } };
}
