/**
 * `audit verify` and `audit prove`: what the service says is checked here, with a verifier key that was pinned when the
 * log began and the last checkpoint that was verified on this machine. The service is believed nothing.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  decodeEvent,
  entryOf,
  formatProof,
  parseEntry,
  parseProof,
  verifyProof,
  type Checkpoint,
  type VerifyFinding,
} from '@sallyport/audit-log';
import { fromBase64url, toBase64url } from '@sallyport/crypto';
import { auditv1 } from '@sallyport/proto';
import type { CommandContext } from '../commands/context.ts';
import { withReplicas } from '../connect.ts';
import { CommandFailed, UsageError } from '../exit.ts';
import { parseInteger } from '../format.ts';
import { readIfPresent, writePrivate } from '../state/files.ts';
import { readPins, type Pins } from './pins.ts';
import { replicaRemarks } from './remarks.ts';
import { anyReplica, verifyReplicas, type LogVerification } from './replicas.ts';

type VerifyOptions = { readonly proof?: string; readonly key?: string };

const MAX_SHOWN_FINDINGS = 100;
/** On a terminal, and as lines of their own elsewhere. */
const REDRAW_MS = 500;
const LINE_MS = 5_000;

export async function verify(context: CommandContext, options: VerifyOptions): Promise<void> {
  const pins = await readPins(context.home.logKeyFile, options.key);
  if (options.proof !== undefined) return verifyProofFile(context, options.proof, pins);
  const remembered = await readRemembered(context, pins);
  const { output } = context;
  let shownAtMs = performance.now();
  const verification = await withReplicas(context, auditv1.AuditService, 'audit-service', (replicas) =>
    verifyReplicas(replicas, {
      verifierKey: pins.current,
      earlierKeys: pins.earlier,
      keys: pins.keys,
      maxFindings: MAX_SHOWN_FINDINGS,
      ...(remembered === undefined ? {} : { previous: remembered }),
      sleep: (ms) => sleep(ms, undefined, { signal: context.signal }),
      onLeaf(read) {
        if (performance.now() - shownAtMs < (output.interactive ? REDRAW_MS : LINE_MS)) return;
        shownAtMs = performance.now();
        if (!output.json) output.progress(`${read} ${read === 1 ? 'leaf' : 'leaves'} checked …`);
      },
    }),
  );
  const { report, selfReported } = verification;
  output.progress(undefined);
  showReport(context, verification, remembered);
  const count = report.findingCount + selfReported.length;
  if (count > 0) throw new CommandFailed(`The log does not verify: ${counted(count, 'finding')}.`);
  if (report.checkpoint !== undefined) await remember(context, pins, report.checkpoint);
}

function showReport(
  context: CommandContext,
  { report, selfReported, replicas }: LogVerification,
  previous: Checkpoint | undefined,
): void {
  const { output } = context;
  for (const finding of report.findings) {
    if (!output.json) output.result({}, findingText(finding));
  }
  for (const text of selfReported) {
    if (!output.json) output.result({}, `audit-service reports: ${text}`);
  }
  const { checkpoint } = report;
  const value = {
    ok: report.ok && selfReported.length === 0,
    size: checkpoint?.size,
    root: checkpoint === undefined ? undefined : toBase64url(checkpoint.root),
    leaves: report.leaves,
    pending: report.pending,
    producers: report.producers,
    recordedGaps: report.recordedGaps,
    consistentWith: previous?.size,
    findingCount: report.findingCount,
    findings: report.findings,
    selfReported,
    replicas,
  };
  const gaps = report.recordedGaps.length;
  const text = value.ok
    ? [
        `The log verifies: ${counted(report.leaves, 'leaf', 'leaves')} of ${counted(report.producers.length, 'producer')} under the checkpoint of size ${checkpoint?.size ?? 0}.`,
        'Checked: the checkpoint’s signature, every leaf, tile and event, the gapless sequence of each producer, every query row.',
        previous === undefined
          ? 'This is the first verification here; the next one also checks that nothing of today was changed or removed.'
          : `Consistent with the checkpoint of size ${previous.size} that was verified here before.`,
        ...(gaps === 0
          ? []
          : [
              `${counted(gaps, 'gap')} recorded by the log itself: events that were lost and are known to be.`,
            ]),
        ...(report.pending === 0
          ? []
          : [`${counted(report.pending, 'leaf', 'leaves')} not under a checkpoint yet.`]),
      ].join('\n')
    : `${counted(report.leaves, 'leaf', 'leaves')} read.`;
  output.result(value, text);
  for (const remark of replicaRemarks(replicas, previous)) output.note(remark);
}

function findingText({ kind, where, what, next }: VerifyFinding): string {
  return `${kind.replace('_', ' ')}: ${where}\n  ${what}\n  ${next}`;
}

export async function prove(
  context: CommandContext,
  options: { readonly out?: string },
  leaf = '',
): Promise<void> {
  const leafIndex = parseInteger(leaf, 0, Number.MAX_SAFE_INTEGER, 'The leaf index');
  const answer = await withReplicas(context, auditv1.AuditService, 'audit-service', (replicas) =>
    anyReplica(replicas)((client) => client.getProof({ leafIndex: BigInt(leafIndex) })),
  );
  // What the entry commits to goes along, so that the proof can be read without the service.
  const subject = { entry: toBase64url(answer.entry), body: toBase64url(answer.body) };
  const proof = formatProof({
    index: leafIndex,
    path: answer.path,
    checkpoint: new TextEncoder().encode(answer.checkpoint),
    extra: new TextEncoder().encode(JSON.stringify(subject)),
  });
  const check = checkProof(proof, await readPins(context.home.logKeyFile));
  if (!check.ok)
    throw new CommandFailed(`The service’s proof of leaf ${leafIndex} does not verify: ${check.problem}.`);
  if (options.out === undefined) {
    context.output.result({ leafIndex, proof }, proof.trimEnd());
    return;
  }
  await writePrivate(options.out, proof);
  context.output.result(
    { leafIndex, file: options.out, size: check.size },
    `Wrote ${options.out}: leaf ${leafIndex} is in the log of size ${check.size}. Check it with \`sallyport audit verify --proof ${options.out}\`.`,
  );
}

async function verifyProofFile(context: CommandContext, file: string, pins: Pins): Promise<void> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new UsageError(`Cannot read ${file}: ${(error as Error).message}`);
  });
  const check = checkProof(text, pins);
  if (!check.ok)
    throw new CommandFailed(`${file} does not verify: ${check.problem}.`, { problem: check.problem });
  context.output.result(
    { ok: true, leafIndex: check.index, size: check.size, event: check.event },
    `${file} verifies: leaf ${check.index} is in the log of size ${check.size}.\n${JSON.stringify(check.event, null, 2)}`,
  );
}

type ProofCheck =
  | { readonly ok: true; readonly index: number; readonly size: number; readonly event: unknown }
  | { readonly ok: false; readonly problem: string };

/** The proof against the key, and the body against the entry: nothing of the file is taken on trust. */
function checkProof(text: string, { keys }: Pins): ProofCheck {
  const proof = parseProof(text);
  const subject = proof?.extra === undefined ? undefined : readSubject(proof.extra);
  if (proof === undefined || subject === undefined)
    return { ok: false, problem: 'it is not a proof of `audit prove`' };
  const verified = verifyProof(proof, { entry: subject.entry }, keys);
  if (!verified.ok) return { ok: false, problem: verified.problem };
  const entry = parseEntry(subject.entry);
  if (entry === undefined) return { ok: false, problem: 'its entry is not an audit entry' };
  const expected = entryOf({ producer: entry.producer, seq: entry.seq, body: subject.body });
  if (!Buffer.from(expected).equals(Buffer.from(subject.entry))) {
    return { ok: false, problem: 'its event is not the one that the log commits to' };
  }
  const decoded = decodeEvent(subject.body);
  return {
    ok: true,
    index: verified.index,
    size: verified.checkpoint.size,
    event: decoded.ok ? decoded.event : undefined,
  };
}

function readSubject(extra: Uint8Array): { entry: Uint8Array; body: Uint8Array } | undefined {
  try {
    const value = JSON.parse(new TextDecoder().decode(extra)) as { entry?: unknown; body?: unknown } | null;
    const entry = typeof value?.entry === 'string' ? fromBase64url(value.entry) : undefined;
    const body = typeof value?.body === 'string' ? fromBase64url(value.body) : undefined;
    return entry === undefined || body === undefined ? undefined : { entry, body };
  } catch {
    return undefined;
  }
}

/** One file per log: what was verified here before must be part of what is verified now. */
function rememberedFile(context: CommandContext, { current }: Pins): string {
  const [name = ''] = current.replace(/[^A-Za-z0-9.+-]/gu, '_').split('+', 1);
  return join(context.home.clientFolder, `verified-${name}.json`);
}

async function readRemembered(context: CommandContext, pins: Pins): Promise<Checkpoint | undefined> {
  const file = rememberedFile(context, pins);
  const text = await readIfPresent(file);
  if (text === undefined) return undefined;
  const checkpoint = parseRemembered(text);
  if (checkpoint === undefined) {
    throw new CommandFailed(
      `${file} is damaged. Remove it to begin anew; earlier verifications are then forgotten.`,
    );
  }
  return checkpoint;
}

function parseRemembered(text: string): Checkpoint | undefined {
  try {
    const value = JSON.parse(text) as { origin?: unknown; size?: unknown; root?: unknown } | null;
    const root = typeof value?.root === 'string' ? fromBase64url(value.root) : undefined;
    if (typeof value?.origin !== 'string' || !Number.isSafeInteger(value.size) || root?.length !== 32)
      return undefined;
    return { origin: value.origin, size: value.size as number, root };
  } catch {
    return undefined;
  }
}

async function remember(context: CommandContext, pins: Pins, checkpoint: Checkpoint): Promise<void> {
  const { origin, size, root } = checkpoint;
  const text = `${JSON.stringify({ origin, size, root: toBase64url(root) })}\n`;
  await writePrivate(rememberedFile(context, pins), text);
}

const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;
