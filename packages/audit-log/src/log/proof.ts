/** Proof that one entry is in the log, as a text that needs nothing else but the log's key (C2SP tlog-proof). */
import { constantTimeEqual, fromUtf8, leafHash, rootFromInclusion, utf8 } from '@sallyport/crypto';
import { fromBase64, toBase64 } from './base64.ts';
import { verifyCheckpoint } from './checkpoint.ts';
import type { CheckpointVerification } from './checkpoint.ts';
import { entryOf } from './entry.ts';
import type { VerifierKey } from './note.ts';
import type { Checkpoint } from './types.ts';

const TITLE = 'c2sp.org/tlog-proof@v1';
const MAX_PROOF_BYTES = 1024 * 1024;
const MAX_PATH_LENGTH = 64;
const INDEX = /^index (0|[1-9][0-9]{0,15})$/;

export interface LogProof {
  readonly index: number;
  /** Siblings from the leaf up. */
  readonly path: readonly Uint8Array[];
  /** The signed note, verbatim. */
  readonly checkpoint: Uint8Array;
  /** Not authenticated: what the reader may need besides, e.g. the entry. */
  readonly extra?: Uint8Array;
}

/** The proof as a text. */
export function formatProof(proof: LogProof): string {
  const lines = [TITLE];
  if (proof.extra !== undefined && proof.extra.length > 0) lines.push(`extra ${toBase64(proof.extra)}`);
  lines.push(`index ${proof.index}`, ...proof.path.map(toBase64));
  return `${lines.join('\n')}\n\n${fromUtf8(proof.checkpoint) ?? ''}`;
}

/** The proof of a text, unverified; undefined when it is not one. */
export function parseProof(text: string): LogProof | undefined {
  if (text.length > MAX_PROOF_BYTES) return undefined;
  const blank = text.indexOf('\n\n');
  if (blank < 0) return undefined;
  const lines = text.slice(0, blank).split('\n');
  if (lines.shift() !== TITLE) return undefined;
  let extra: Uint8Array | undefined;
  if (lines[0]?.startsWith('extra ') === true) {
    extra = fromBase64(lines.shift()?.slice(6) ?? '');
    if (extra === undefined || extra.length === 0) return undefined;
  }
  const [, index] = INDEX.exec(lines.shift() ?? '') ?? [];
  if (index === undefined || !Number.isSafeInteger(Number(index)) || lines.length > MAX_PATH_LENGTH)
    return undefined;
  const path: Uint8Array[] = [];
  for (const line of lines) {
    const hash = fromBase64(line);
    if (hash?.length !== 32) return undefined;
    path.push(hash);
  }
  const checkpoint = utf8(text.slice(blank + 2));
  return { index: Number(index), path, checkpoint, ...(extra === undefined ? {} : { extra }) };
}

export type ProofVerification =
  | { readonly ok: true; readonly checkpoint: Checkpoint; readonly index: number }
  | {
      readonly ok: false;
      /** `not_included`: the entry, its index or the path does not lead to the signed root. */
      readonly problem: Extract<CheckpointVerification, { ok: false }>['problem'] | 'not_included';
    };

/** Verifies a proof offline, for an entry or for what it is made of. Never throws on a bad proof. */
export function verifyProof(
  proof: LogProof,
  subject:
    | { readonly entry: Uint8Array }
    | { readonly producer: string; readonly seq: bigint; readonly body: Uint8Array },
  keys: readonly VerifierKey[],
): ProofVerification {
  const verified = verifyCheckpoint(proof.checkpoint, keys);
  if (!verified.ok) return verified;
  const { checkpoint } = verified;
  const entry = 'entry' in subject ? subject.entry : entryOf(subject);
  const { index, path } = proof;
  const root = rootFromInclusion({ leafHash: leafHash(entry), index, size: checkpoint.size, path });
  if (root === undefined || !constantTimeEqual(root, checkpoint.root))
    return { ok: false, problem: 'not_included' };
  return { ok: true, checkpoint, index };
}
