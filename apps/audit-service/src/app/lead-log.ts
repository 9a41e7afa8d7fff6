/**
 * The writer's part: the next checkpoint, so that no two that are signed anywhere contradict each other (docs/adr/0045).
 *
 *   leaves → tiles → is it a continuation of the saved checkpoint, and of what was promised → promise → signature
 *     → save → the folder's file → acknowledgements
 *
 * A process may die, or be paused for minutes, between any two. What it signs on waking was promised, so whoever wrote
 * meanwhile has continued it; what it saves on waking is refused, because the term is another.
 */
import { formatVerifierKey, signCheckpoint, type TileStore } from '@sallyport/audit-log';
import type { Log } from '@sallyport/service/log';
import type { Fence, Writer } from '../domain/fence.ts';
import type { LogKeys } from './log-keys.ts';
import type { OwnCopy } from './own-copy.ts';
import type { CheckpointFence, LogState, SavedCheckpoint } from './ports.ts';
import { BEAT_MS } from './watch-writer.ts';

export type LeadLogPorts = {
  readonly tiles: TileStore;
  readonly fence: CheckpointFence;
  readonly copy: OwnCopy;
  readonly keys: LogKeys;
  readonly origin: string;
  readonly replica: string;
  readonly monotonic: () => number;
  /** Throws when the process is to stop. */
  readonly checkStopped: () => void;
  readonly log: Log;
};

export type LeadLog = {
  /** The term that this process holds as far as it knows. */
  heldTerm(): bigint | undefined;
  /** What the fence is now: who finds another term in it writes no more. */
  see(fence: Fence | undefined): void;
  /** Tries to become the writer. Throws `SallyportError` when the signing key cannot be asked for: then others may. */
  take(state: LogState): Promise<void>;
  /** The next checkpoint, saved; undefined when there is nothing new, or another replica writes. Throws `AuditLogError`. */
  write(state: LogState): Promise<SavedCheckpoint | undefined>;
  release(): Promise<void>;
};

/** Another replica has taken over. */
class TermLost extends Error {
  override readonly name = 'TermLost';
}

export function leadLog(ports: LeadLogPorts): LeadLog {
  const { copy, fence, keys, log, origin, replica } = ports;
  let writer: Writer | undefined;
  let beatAtMs = 0;

  async function hold(step: Promise<boolean>): Promise<void> {
    if (!(await step)) throw new TermLost('another replica writes the log');
    beatAtMs = ports.monotonic();
  }

  async function beat(held: Writer): Promise<void> {
    ports.checkStopped();
    if (ports.monotonic() - beatAtMs >= BEAT_MS) await hold(fence.beat(held));
  }

  async function next(held: Writer, state: LogState): Promise<SavedCheckpoint | undefined> {
    const signing = await keys.forSigning();
    const verifierKey = formatVerifierKey(origin, signing.active);
    const promised = state.fence?.promised;
    const { saved } = state;
    // The folder's checkpoint is what the next one is compared with: it has to be the saved one.
    if (saved !== undefined && saved.size > copy.size()) return undefined;
    if (promised !== undefined && promised.size > (saved?.size ?? -1)) {
      // Its note may have been signed and lost: this log goes on from it all the same.
      await copy.mustContain(promised, state, () => beat(held));
    }
    await copy.extend(state.leaves, () => beat(held));
    const tree = await copy.tree();
    if (saved?.size === tree.size && saved.verifierKey === verifierKey) return undefined;
    let written: SavedCheckpoint | undefined;
    await signCheckpoint({
      store: ports.tiles,
      log: tree,
      signer: { name: origin, publicKey: signing.active, sign: signing.sign },
      earlierKeys: signing.earlierKeys,
      fence: {
        promise: ({ size, root }) => hold(fence.promise(held, { after: promised, next: { size, root } })),
        async keep({ size, root }, note) {
          written = { size, note, verifierKey };
          await hold(fence.save(held, { size, root }, written));
          copy.willCover(size);
        },
      },
    });
    return written;
  }

  function lose(held: Writer): void {
    log.warn('another replica writes the log now', { term: String(held.term) });
    writer = undefined;
  }

  return {
    heldTerm: () => writer?.term,
    see(now) {
      if (writer !== undefined && now !== undefined && now.term !== writer.term) lose(writer);
    },
    async take({ fence: seen }) {
      await keys.renew();
      const term = await fence.take(replica, seen);
      if (term === undefined) return;
      writer = { term, holder: replica };
      beatAtMs = ports.monotonic();
      log.info('this replica writes the log', { term: String(term), before: seen?.holder ?? '' });
    },
    async write(state) {
      const held = writer;
      if (held === undefined) return undefined;
      try {
        return await next(held, state);
      } catch (error) {
        if (!(error instanceof TermLost)) throw error;
        lose(held);
        return undefined;
      }
    },
    async release() {
      const held = writer;
      writer = undefined;
      if (held !== undefined) await fence.release(held);
    },
  };
}
