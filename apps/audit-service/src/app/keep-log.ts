/**
 * From committed leaves to acknowledged events: tiles, then the signed checkpoint, then the word to the producers.
 *
 * The database decides which event is which leaf, and which replica writes checkpoints; all else follows from it. Every
 * replica keeps its own folder up to the saved checkpoint; the one that writes makes the next. A crash between any two
 * steps is finished by whoever comes next, which does the same steps again from the last checkpoint on. What was found
 * not to fit stops this replica for good: it signs and acknowledges nothing until somebody has looked and starts it anew.
 */
import { AuditLogError, type TileStore } from '@sallyport/audit-log';
import { SallyportError, unavailable } from '@sallyport/service/errors';
import type { Log } from '@sallyport/service/log';
import { acknowledger } from './acknowledger.ts';
import { checkLog } from './check-log.ts';
import { leadLog } from './lead-log.ts';
import { logKeys } from './log-keys.ts';
import { ownCopy } from './own-copy.ts';
import type {
  Acknowledge,
  CheckpointFence,
  CheckpointReader,
  FolderStore,
  LeafReader,
  ReadSigningKeys,
  SealReader,
  Sleep,
} from './ports.ts';
import { watchWriter } from './watch-writer.ts';

export type KeepLogPorts = {
  readonly tiles: TileStore;
  readonly isFolderEmpty: () => Promise<boolean>;
  readonly leaves: LeafReader;
  readonly seals: SealReader;
  readonly checkpoints: CheckpointReader;
  readonly fence: CheckpointFence;
  readonly folders: FolderStore;
  readonly readKeys: ReadSigningKeys;
  readonly acknowledge: Acknowledge;
  /** Told once when something does not fit. Its failure is logged. */
  readonly onInconsistent: (findings: readonly string[]) => Promise<void>;
  /** Told when the folder, which had so many leaves, is gone and built again. Its failure is logged. */
  readonly onFolderLost: (size: number) => Promise<void>;
  /** The newest checkpoint has so many leaves. `signedSinceMs`: of `nowMs`, when this replica began to make it. */
  readonly onCovered: (size: number, signedSinceMs?: number) => void;
  readonly nowMs: () => number;
  readonly origin: string;
  /** Names this replica: its folders' name for themselves, the same after a restart. */
  readonly replica: string;
  readonly intervalMs: number;
  readonly monotonic: () => number;
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
  /** Of the key that signed the checkpoint here; undefined before there is one. */
  verifierKey(): string | undefined;
  /** Whether this replica writes checkpoints, as far as it knows. */
  isWriter(): boolean;
  /** Of the newest writer; counts the writers there have been. */
  term(): bigint;
  /** Leaves under the newest checkpoint that are not in this replica's folder yet. */
  behind(): number;
  /** Readiness. Throws `SallyportError` with what does not fit, or why nothing was signed yet. */
  check(): void;
};

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 2_000;
/** What other replicas committed and saved is looked for this often. */
const POLL_MS = 250;
/** A folder that is behind for longer is said to be. */
const LAG_MS = 10_000;

/** Starts at once, in the background. */
export function keepLog(ports: KeepLogPorts): LogKeeper {
  const { checkpoints, log, monotonic, origin, replica } = ports;
  const stop = new AbortController();
  const checkStopped = (): void => stop.signal.throwIfAborted();
  const keys = logKeys(ports.readKeys, origin);
  const copy = ownCopy(ports);
  const leader = leadLog({ ...ports, copy, keys, checkStopped });
  const dutyOf = watchWriter(replica, monotonic);
  const acks = acknowledger(ports);
  let wakeUp = Promise.withResolvers<void>();
  let isChecked = false;
  let findings: readonly string[] = [];
  let term = 0n;
  let upToDateMs = monotonic();
  let problem = 'the log is being checked';

  /** Undefined when the stored forms do not fit, which it has said then. */
  async function check(): Promise<void> {
    const checked = await checkLog({ ...ports, keys: await keys.verifying() });
    if (checked.findings.length > 0) return fail(checked.findings);
    copy.begin(checked.size);
    isChecked = true;
    problem = 'it is being built';
    if (checked.lostSize === undefined) return;
    log.warn('the log folder is gone and is built again from the database', { leaves: checked.lostSize });
    await settled('the finding could not be recorded', ports.onFolderLost(checked.lostSize));
  }

  async function step(): Promise<void> {
    if (!isChecked) await check();
    if (findings.length > 0) return;
    let state = await checkpoints.state();
    const before = copy.checkpoint();
    await copy.follow(state, keys.verified, async () => checkStopped());
    acks.followed(before, copy.checkpoint());
    covered();
    upToDateMs = monotonic();
    await keys.verifying(); // at least once, or a rotation looks like work
    const isWorkPending =
      state.saved === undefined ||
      state.leaves > state.saved.size ||
      state.saved.verifierKey !== keys.activeVerifierKey();
    const duty = dutyOf({ fence: state.fence, isWorkPending, heldTerm: leader.heldTerm() });
    leader.see(state.fence);
    if (duty === 'take') {
      await leader.take(state);
      state = await checkpoints.state();
    }
    term = state.fence?.term ?? 0n;
    if (leader.heldTerm() !== state.fence?.term) return;
    await acknowledge(); // of the writer before, or of an attempt that failed after its checkpoint was saved
    const startedAtMs = ports.nowMs();
    const written = await leader.write(state);
    if (written === undefined) return;
    await copy.covers(written);
    covered(startedAtMs);
    await acknowledge();
  }

  function covered(signedSinceMs?: number): void {
    const checkpoint = copy.checkpoint();
    if (checkpoint !== undefined) ports.onCovered(checkpoint.size, signedSinceMs);
  }

  async function acknowledge(): Promise<void> {
    const checkpoint = copy.checkpoint();
    if (checkpoint !== undefined) await acks.upTo(checkpoint);
  }

  async function settled(what: string, work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      log.error(what, { error });
    }
  }

  async function fail(texts: readonly string[]): Promise<void> {
    findings = texts;
    for (const text of texts) {
      log.fatal('the audit log does not fit together: nothing is signed or acknowledged', {
        finding: text,
      });
    }
    await settled('the finding could not be recorded', ports.onInconsistent(texts));
    await settled('another replica has to wait before it writes', leader.release());
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
        if (stop.signal.aborted) return;
        if (error instanceof AuditLogError) return fail([error.message]);
        copy.reopen(); // an append that failed half-way cannot go on
        keys.forget();
        problem = error instanceof SallyportError ? error.message : 'the last attempt failed; see the log';
        log.warn('no checkpoint yet; trying again', { error, retryMs });
        next.resolve();
        pauseMs = retryMs;
        retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
      }
      await ports.sleep(pauseMs, stop.signal); // what is committed meanwhile shares the next checkpoint
      await woken(next.promise);
    }
  }

  async function woken(word: Promise<void>): Promise<void> {
    const waited = new AbortController();
    await Promise.race([word, ports.sleep(POLL_MS, AbortSignal.any([waited.signal, stop.signal]))]);
    waited.abort();
  }

  const running = run();
  return {
    wake: () => wakeUp.resolve(),
    renewKeys() {
      keys.forget();
      wakeUp.resolve();
    },
    async repeatAcknowledgement(producer) {
      const checkpoint = copy.checkpoint();
      if (checkpoint !== undefined && findings.length === 0) await acks.repeat(producer, checkpoint);
    },
    findings: () => findings,
    coveredSize: () => copy.coveredSize(),
    verifierKey: () => copy.checkpoint()?.verifierKey,
    isWriter: () => leader.heldTerm() !== undefined,
    term: () => term,
    behind: () => copy.behind(),
    check() {
      const [first] = findings;
      if (first !== undefined)
        throw new SallyportError('log_inconsistent', `The audit log does not fit together: ${first}`);
      if (copy.checkpoint() === undefined)
        throw unavailable(`The audit log has no signed checkpoint yet: ${problem}.`);
      if (copy.behind() > 0 && monotonic() - upToDateMs > LAG_MS)
        throw unavailable(
          `This replica's copy of the audit log is ${copy.behind()} leaves behind the newest checkpoint: ${problem}.`,
        );
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      wakeUp.resolve();
      await running;
      await settled('another replica has to wait before it writes', leader.release());
    },
  };
}
