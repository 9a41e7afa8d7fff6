/**
 * The stored checkpoint. When it does not verify, which line was changed: the tree itself tells what the lines should
 * say, and where the signature holds over that text the answer is proved.
 */
import { ED25519, leafHash } from '@sallyport/crypto';
import { fromBase64, toBase64 } from '../log/base64.ts';
import { verifyCheckpoint } from '../log/checkpoint.ts';
import { entryOf, isProducer } from '../log/entry.ts';
import { verifyNoteText } from '../log/note.ts';
import type { VerifierKey } from '../log/note.ts';
import { CompactRange } from '../log/range.ts';
import type { Checkpoint } from '../log/types.ts';
import { sameBytes, shown } from './findings.ts';
import type { Findings } from './findings.ts';
import type { LogSource } from './types.ts';

export interface CheckpointInfo {
  /** Of the log, as far as can be known: what is signed, else what the tree suggests. */
  readonly size: number;
  /** Only what is signed. */
  readonly signed?: Checkpoint;
}

const LINES = ['origin', 'tree size', 'root hash'] as const;
const RESTORE =
  'Take the last checkpoint from a backup or a witness; do not sign a new one before this is explained.';

export async function checkCheckpoint(
  source: LogSource,
  keys: readonly VerifierKey[],
  findings: Findings,
): Promise<CheckpointInfo> {
  const note = await source.checkpoint();
  if (note !== undefined) {
    const verified = verifyCheckpoint(note, keys);
    if (verified.ok) return { size: verified.checkpoint.size, signed: verified.checkpoint };
  }
  const lines = note === undefined ? [] : new TextDecoder().decode(note).split('\n');
  const tree = await survey(source, Number(lines[1]), lines[2] ?? '');
  if (note === undefined) {
    if (tree.total === 0) return { size: 0 };
    const what = `there is none, but ${tree.total} leaves are stored`;
    findings.add({ kind: 'checkpoint', where: 'checkpoint', what, next: RESTORE });
    return { size: tree.total };
  }
  const proved = keys.flatMap((key) =>
    candidates(tree, key).filter(({ text }) => isSigned(text, lines[4], key)),
  )[0];
  const likely = keys
    .flatMap((key) => candidates(tree, key))
    .find(({ text }) => text === `${lines.slice(0, 3).join('\n')}\n`);
  const truth = proved ?? likely;
  let named = false;
  for (const [i, name] of LINES.entries()) {
    const [found = '', wanted] = [lines[i], truth?.lines[i]];
    if (wanted === undefined || found === wanted) continue;
    named = true;
    const what = `line ${i + 1} (${name}) says ${shown(found)}; the signature is over ${shown(wanted)}, which is what the tree gives`;
    findings.add({
      kind: 'checkpoint',
      where: `checkpoint line ${i + 1}`,
      what,
      next: `This line was changed. ${RESTORE}`,
      line: i + 1,
    });
  }
  if (!named) reportRest(lines, truth !== undefined, proved !== undefined, keys, findings);
  const size = truth?.size ?? tree.claimed?.size ?? tree.total;
  return proved === undefined
    ? { size }
    : { size, signed: { origin: proved.lines[0], size, root: proved.root } };
}

interface SizedRoot {
  readonly size: number;
  readonly root: Uint8Array;
}

interface Survey {
  readonly total: number;
  /** At the size that line 2 names, at the size whose root line 3 names, and at the end. */
  readonly claimed?: SizedRoot;
  readonly byRoot?: SizedRoot;
  readonly whole: SizedRoot;
}

/** One pass over the bodies, for the roots that the checkpoint may have meant. */
async function survey(source: LogSource, claimedSize: number, claimedRoot: string): Promise<Survey> {
  const range = new CompactRange();
  const wantedRoot = fromBase64(claimedRoot);
  let total = 0;
  let claimed: SizedRoot | undefined;
  let byRoot: SizedRoot | undefined;
  const look = (): void => {
    const here = { size: total, root: range.root() };
    if (total === claimedSize) claimed = here;
    if (sameBytes(here.root, wantedRoot)) byRoot = here;
  };
  look();
  for await (const leaf of source.leaves(0)) {
    if (leaf.index !== total || !isProducer(leaf.producer) || leaf.seq < 1n) break; // named by the main pass
    range.push(leafHash(entryOf(leaf)));
    total += 1;
    look();
  }
  return {
    total,
    whole: { size: total, root: range.root() },
    ...(claimed === undefined ? {} : { claimed }),
    ...(byRoot === undefined ? {} : { byRoot }),
  };
}

function candidates(tree: Survey, key: VerifierKey) {
  return [tree.claimed, tree.byRoot, tree.whole].flatMap((sized) => {
    if (sized === undefined) return [];
    const lines = [key.name, String(sized.size), toBase64(sized.root)] as const;
    return [{ ...sized, lines, text: `${lines.join('\n')}\n` }];
  });
}

/** True when the signature on the line, whatever name and key id stand before it, is the key's over this text. */
function isSigned(text: string, line: string | undefined, key: VerifierKey): boolean {
  const blob = fromBase64(line?.split(' ').at(-1) ?? '');
  return blob?.length === 4 + ED25519.signatureLength && verifyNoteText(text, blob.slice(4), key);
}

function reportRest(
  lines: readonly string[],
  textFits: boolean,
  signatureFits: boolean,
  keys: readonly VerifierKey[],
  findings: Findings,
): void {
  const report = (line: number, what: string, next: string): void =>
    findings.add({
      kind: 'checkpoint',
      where: `checkpoint line ${line}`,
      what,
      next: `${next} ${RESTORE}`,
      line,
    });
  if (signatureFits) {
    const line = lines[3] === '' ? 5 : 4;
    report(
      line,
      'the text and the signature fit; the line around them does not have its form',
      'This line was changed.',
    );
  } else if (textFits) {
    const form = /^\u2014 [^ ]+ [A-Za-z0-9+/=]+$/u.test(lines[4] ?? '') ? 'does not verify' : 'is malformed';
    report(
      5,
      `origin, size and root are those of the tree, but the signature ${form}`,
      'The signature was changed, or another key signed.',
    );
  } else if (!keys.some(({ name }) => name === lines[0])) {
    report(
      1,
      `the origin is ${shown(lines[0] ?? '')}, which is no log we know`,
      'It was changed, or is of another log.',
    );
  } else {
    report(
      2,
      'size and root are not those of the tree, and the signature does not verify',
      'Lines 2 and 3, or leaves and signature, were changed.',
    );
  }
}
