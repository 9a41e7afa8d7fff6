/** The text of a checkpoint: origin, size, root (C2SP tlog-checkpoint). It is signed as a note. */
import { fromBase64, toBase64 } from './base64.ts';
import { verifyNote } from './note.ts';
import type { NoteVerification, VerifierKey } from './note.ts';
import type { Checkpoint } from './types.ts';

const SIZE = /^(?:0|[1-9][0-9]{0,15})$/;

/** The note text. Throws RangeError when there is no such checkpoint. */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  const text = `${checkpoint.origin}\n${checkpoint.size}\n${toBase64(checkpoint.root)}\n`;
  if (parseCheckpoint(text) === undefined)
    throw new RangeError('not a checkpoint: origin, size or root is malformed');
  return text;
}

/** The checkpoint of a note text, or undefined. Extension lines are allowed and carry no meaning. */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  const lines = text.split('\n');
  if (lines.pop() !== '' || lines.some((line) => line === '')) return undefined;
  const [origin, size, encodedRoot] = lines;
  if (origin === undefined || size === undefined || encodedRoot === undefined) return undefined;
  const root = fromBase64(encodedRoot);
  if (!SIZE.test(size) || !Number.isSafeInteger(Number(size)) || root?.length !== 32) return undefined;
  return { origin, size: Number(size), root };
}

export type CheckpointVerification =
  | { readonly ok: true; readonly checkpoint: Checkpoint; readonly signedBy: readonly VerifierKey[] }
  | {
      readonly ok: false;
      readonly problem: Extract<NoteVerification, { ok: false }>['problem'] | 'other_log';
    };

/** Verifies a signed checkpoint; its origin must be the name of a key that signed it. Never throws. */
export function verifyCheckpoint(note: Uint8Array, keys: readonly VerifierKey[]): CheckpointVerification {
  const verified = verifyNote(note, keys);
  if (!verified.ok) return verified;
  const checkpoint = parseCheckpoint(verified.text);
  if (checkpoint === undefined) return { ok: false, problem: 'malformed' };
  if (!verified.signedBy.some(({ name }) => name === checkpoint.origin))
    return { ok: false, problem: 'other_log' };
  return { ok: true, checkpoint, signedBy: verified.signedBy };
}
