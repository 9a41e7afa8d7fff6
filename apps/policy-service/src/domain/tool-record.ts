/** What is stored of a tool, and what each event makes of it: the same in every store. */
import { pinAfter, type ToolChange } from './policy-state.ts';
import type { Definitions, Sighting, ToolRecord } from './tool.ts';

export type StoredTool = { readonly record: ToolRecord; readonly definitions: Definitions };

/** After a stored change of policy. */
export function storedAfter(
  before: StoredTool | undefined,
  change: ToolChange,
  by: { readonly actor: string; readonly atMs: number },
): StoredTool {
  const pin = pinAfter(before?.record, change);
  const known = before?.definitions ?? { pinned: '', candidate: '' };
  const { atMs } = by;
  switch (change.kind) {
    case 'tool-found': {
      const { definition, isPinned, seenBy } = change;
      return {
        record: {
          ...pin,
          firstSeenMs: atMs,
          lastSeenMs: atMs,
          seenBy,
          candidateSeenMs: isPinned ? undefined : atMs,
          approvedBy: isPinned ? 'first-use' : '',
          approvedAtMs: isPinned ? atMs : undefined,
        },
        definitions: isPinned ? { pinned: definition, candidate: '' } : { pinned: '', candidate: definition },
      };
    }
    case 'tool-approved':
      return {
        record: {
          ...seen(before, atMs),
          ...pin,
          candidateSeenMs: undefined,
          approvedBy: by.actor,
          approvedAtMs: atMs,
        },
        definitions: { pinned: known.candidate, candidate: '' },
      };
    case 'tool-rejected': {
      const record = { ...seen(before, atMs), ...pin };
      if (!change.wasPinned) return { record, definitions: known };
      const isMoved = pin.candidate === change.digest;
      return {
        record: {
          ...record,
          candidateSeenMs: isMoved ? record.lastSeenMs : record.candidateSeenMs,
          approvedBy: '',
          approvedAtMs: undefined,
        },
        definitions: { pinned: '', candidate: isMoved ? known.pinned : known.candidate },
      };
    }
  }
}

/** After a gateway saw the tool again. Another definition becomes the candidate; the policy stays as it is. */
export function storedAfterSighting(
  { record, definitions }: StoredTool,
  { digest, definition }: Sighting,
  by: { readonly instance: string; readonly atMs: number },
): StoredTool {
  const again = { ...record, lastSeenMs: by.atMs, seenBy: by.instance };
  if (digest === record.pinned || digest === record.candidate) return { record: again, definitions };
  return {
    record: { ...again, candidate: digest, isCandidateRejected: false, candidateSeenMs: by.atMs },
    definitions: { ...definitions, candidate: definition },
  };
}

type Seen = Pick<
  ToolRecord,
  'firstSeenMs' | 'lastSeenMs' | 'seenBy' | 'candidateSeenMs' | 'approvedBy' | 'approvedAtMs'
>;

function seen(before: StoredTool | undefined, atMs: number): Seen {
  return (
    before?.record ?? {
      firstSeenMs: atMs,
      lastSeenMs: atMs,
      seenBy: '',
      candidateSeenMs: undefined,
      approvedBy: '',
      approvedAtMs: undefined,
    }
  );
}
