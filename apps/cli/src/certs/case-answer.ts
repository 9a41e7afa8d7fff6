/** The answer to one line of a batch, as JSON on one line. */
import { nameText, type Cache, type Reason } from '@sallyport/x509';
import { parseCase, type CaseId } from './case.ts';
import { answer, type Answer } from './question.ts';

export type CaseAnswer = {
  readonly id: CaseId;
  readonly valid: boolean;
  /** `internal` is a defect of this command, never an acceptance. */
  readonly reason?: Reason | 'internal';
  readonly section?: string;
  readonly detail?: string;
  /** Subjects from the leaf to the anchor. */
  readonly path?: readonly string[];
};

/** Never throws. */
export function answerCase(line: Uint8Array, cache: Cache): CaseAnswer {
  const asked = parseCase(line);
  if (!asked.ok) return refused(asked.id, 'malformed', asked.problem);
  try {
    return described(asked.id, answer(asked.question, cache));
  } catch (error) {
    return refused(asked.id, 'internal', `a defect, please report it: ${String(error)}`);
  }
}

export const refused = (
  id: CaseId,
  reason: NonNullable<CaseAnswer['reason']>,
  detail: string,
): CaseAnswer => ({
  id,
  valid: false,
  reason,
  detail: bounded([detail]),
});

const MAX_DETAIL = 2_000;

/** A case may be wrong in a hundred thousand places, or in a name of a million characters: an answer is a line to read. */
function bounded(details: readonly string[]): string {
  let text = '';
  for (const detail of details) {
    text += text === '' ? detail : `; ${detail}`;
    if (text.length > MAX_DETAIL) return `${text.slice(0, MAX_DETAIL).toWellFormed()} …`;
  }
  return text;
}

function described(id: CaseId, { result, leftOut }: Answer): CaseAnswer {
  if (!result.valid) {
    const { reason, section, detail } = result.failure;
    return { id, valid: false, reason, section, detail: bounded([detail, ...leftOut]) };
  }
  const path = result.path.map(({ subject }) => nameText(subject));
  const isLeafAnchor = result.path.at(-1)?.fingerprint === result.anchor.certificate?.fingerprint;
  return {
    id,
    valid: true,
    path: isLeafAnchor ? path : [...path, nameText(result.anchor.name)],
    ...(leftOut.length === 0 ? {} : { detail: bounded(leftOut) }),
  };
}
