/**
 * From committed leaves to acknowledged events: tiles, then the signed checkpoint, then the word to the producers.
 *
 * The database decides which event is which leaf; all else follows from it. A crash between any two steps is finished by
 * the next start, which does the same steps again from the last checkpoint on. What was found not to fit stops it for
 * good: nothing is signed and nothing acknowledged until somebody has looked and starts the service anew.
 */
import {
  AuditLogError,
  entryOf,
  formatVerifierKey,
  openLog,
  parseVerifierKey,
  signCheckpoint,
  type LogBuilder,
  type TileStore,
} from '@sallyport/audit-log';
import { constantTimeEqual, leafHash } from '@sallyport/crypto';
import { SallyportError, unavailable } from '@sallyport/service/errors';
import type { Log } from '@sallyport/service/log';
import { CHUNK_LEAVES, MAX_COMMIT_BYTES } from '../domain/limits.ts';
import type { Leaf } from '../domain/leaf.ts';
import { checkLog } from './check-log.ts';
import type {
  Acknowledge,
  CheckpointStore,
  LeafReader,
  ReadSigningKeys,
  SigningKeys,
  Sleep,
} from './ports.ts';

export type KeepLogPorts = {
  readonly tiles: TileStore;
  readonly leaves: LeafReader;
  readonly checkpoints: CheckpointStore;
  readonly readKeys: ReadSigningKeys;
  readonly acknowledge: Acknowledge;
  /** Told once when something does not fit. Its failure is logged. */
  readonly onInconsistent: (findings: readonly string[]) => Promise<void>;
  readonly origin: string;
  readonly intervalMs: number;
  readonly sleep: Sleep;
  readonly log: Log;
};

export type LogKeeper = AsyncDisposable & {
  /** There are new leaves. */
  wake(): void;
  /** The signing key may have changed: asks for it, and signs with it. */
  renewKeys(): void;
  /** Acknowledges again what is under a checkpoint, to a producer that sends it again. */
  repeatAcknowledgement(producer: string): Promise<void>;
  /** What does not fit; empty while everything does. */
  findings(): readonly string[];
  /** Leaves that the newest checkpoint covers, or the one that is being signed. */
  coveredSize(): number;
  /** Of the key that signs; undefined before it is known. */
  verifierKey(): string | undefined;
  /** Readiness. Throws `SallyportError` with what does not fit, or why nothing was signed yet. */
  check(): void;
};

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 5_000;

/** Starts at once, in the background. */
export function keepLog(ports: KeepLogPorts): LogKeeper {
  const stop = new AbortController();
  let wakeUp = Promise.withResolvers<void>();
  let keys: SigningKeys | undefined;
  let builder: LogBuilder | undefined;
  let isChecked = false;
  let findings: readonly string[] = [];
  /** Of the last checkpoint that this process signed or found to hold. */
  let signedSize: number | undefined;
  let covered = 0;
  let acknowledgedSize = 0;
  let verifierKey: string | undefined;
  let problem = 'the log is being checked';

  async function step(): Promise<void> {
    // Held for the whole step: a rotation meanwhile forgets `keys`, and the next step reads them anew.
    const signing = (keys ??= await ports.readKeys());
    const [active, ...earlier] = [signing.active, ...signing.earlier].map((key) =>
      verifierKeyOf(ports.origin, key),
    );
    if (active === undefined) throw new Error('there is no signing key');
    if (!isChecked) {
      const checked = await checkLog({ ...ports, keys: [active, ...earlier] });
      if (checked.findings.length > 0) return fail(checked.findings);
      isChecked = true;
      acknowledgedSize = checked.size;
      covered = Math.max(covered, checked.size);
      builder = await openLog(ports.tiles, checked.size);
    }
    builder ??= await openLog(ports.tiles, signedSize ?? acknowledgedSize);
    const log = builder;
    await extend(ports.leaves, log);
    if (signedSize === log.size && verifierKey === formatVerifierKey(ports.origin, signing.active)) return;
    covered = Math.max(covered, log.size); // before anyone can read the checkpoint that says so
    const signer = { name: ports.origin, publicKey: signing.active, sign: signing.sign };
    const { note } = await signCheckpoint({ store: ports.tiles, log, signer, earlierKeys: earlier });
    verifierKey = formatVerifierKey(ports.origin, signing.active);
    await ports.checkpoints.save({ size: log.size, note, verifierKey });
    signedSize = log.size;
    await acknowledgeUpTo(log.size);
    await log.prune();
  }

  async function acknowledgeUpTo(size: number): Promise<void> {
    const progress = await ports.leaves.progress(acknowledgedSize, size);
    for (const [producer, throughSeq] of progress) await tell(producer, throughSeq, size);
    acknowledgedSize = size;
  }

  /** A lost acknowledgement costs a resend, which brings it again: no reason to stop. */
  async function tell(producer: string, throughSeq: bigint, size: number): Promise<void> {
    try {
      await ports.acknowledge(producer, throughSeq, size);
    } catch (error) {
      ports.log.warn('an acknowledgement could not be sent', { producer, error });
    }
  }

  async function fail(texts: readonly string[]): Promise<void> {
    findings = texts;
    for (const text of texts) {
      ports.log.fatal('the audit log does not fit together: nothing is signed or acknowledged', {
        finding: text,
      });
    }
    try {
      await ports.onInconsistent(texts);
    } catch (error) {
      ports.log.error('the finding could not be recorded', { error });
    }
  }

  async function run(): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    while (!stop.signal.aborted && findings.length === 0) {
      const next = Promise.withResolvers<void>();
      wakeUp = next;
      let pauseMs = ports.intervalMs;
      try {
        await step();
        retryMs = FIRST_RETRY_MS;
      } catch (error) {
        if (error instanceof AuditLogError) {
          await fail([error.message]);
          return;
        }
        builder = undefined; // an append that failed half-way cannot go on
        keys = undefined;
        problem = error instanceof SallyportError ? error.message : 'the last attempt failed; see the log';
        ports.log.warn('no checkpoint yet; trying again', { error, retryMs });
        next.resolve();
        pauseMs = retryMs;
        retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
      }
      await ports.sleep(pauseMs, stop.signal); // what is committed meanwhile shares the next checkpoint
      await next.promise;
    }
  }

  const running = run();
  return {
    wake: () => wakeUp.resolve(),
    renewKeys() {
      keys = undefined;
      wakeUp.resolve();
    },
    async repeatAcknowledgement(producer) {
      const size = signedSize;
      if (size === undefined || findings.length > 0) return;
      const throughSeq = await ports.leaves.position(producer, size);
      if (throughSeq > 0n) await tell(producer, throughSeq, size);
    },
    findings: () => findings,
    coveredSize: () => covered,
    verifierKey: () => verifierKey,
    check() {
      const [first] = findings;
      if (first !== undefined)
        throw new SallyportError('log_inconsistent', `The audit log does not fit together: ${first}`);
      if (signedSize === undefined)
        throw unavailable(`The audit log has no signed checkpoint yet: ${problem}.`);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      wakeUp.resolve();
      await running;
    },
  };
}

/** Appends what the database has beyond the tree. Throws `AuditLogError` when the two do not join. */
async function extend(leaves: LeafReader, log: LogBuilder): Promise<void> {
  const size = await leaves.size();
  if (size < log.size)
    throw inconsistent(`the database has ${size} leaves, the log ${log.size}: leaves were removed`);
  while (log.size < size) {
    const chunk = await leaves.leaves({
      from: log.size,
      to: size,
      limit: CHUNK_LEAVES,
      maxBytes: MAX_COMMIT_BYTES,
    });
    if (chunk.length === 0) throw inconsistent(`leaf ${log.size} is missing from the database`);
    await log.append(chunk.map((leaf, i) => entryAt(leaf, log.size + i)));
  }
}

function entryAt(leaf: Leaf, index: number): Uint8Array {
  if (leaf.index !== index) throw inconsistent(`leaf ${index} is missing from the database`);
  const entry = entryOf(leaf);
  if (constantTimeEqual(leafHash(entry), leaf.leafHash)) return entry;
  throw inconsistent(
    `leaf ${index}: its columns do not give its leaf hash; it was changed before it was signed`,
  );
}

function inconsistent(what: string): AuditLogError {
  return new AuditLogError('log_inconsistent', what);
}

function verifierKeyOf(origin: string, publicKey: Uint8Array) {
  const key = parseVerifierKey(formatVerifierKey(origin, publicKey));
  if (key === undefined) throw new TypeError('not an origin of a log');
  return key;
}
