/**
 * From a stored revision to one in force.
 *
 * A round: record what was changed → build, sign and verify the bundle of the newest stored revision → keep it → decide
 * by it here → announce it. Each step finds out from the database what is left to do, so that a round that was cut
 * anywhere, by a crash too, is finished by the next one. No revision comes into force before its changes are recorded.
 */
import type {
  Announce,
  Bundles,
  ChangeLog,
  Evaluate,
  PolicyReader,
  Publication,
  Publications,
  PublisherLog,
  RecordChange,
  Sleep,
} from './ports.ts';

export type InForce = { readonly publication: Publication; readonly evaluate: Evaluate };

export type PublisherPorts = {
  readonly reader: PolicyReader;
  readonly changes: ChangeLog;
  readonly publications: Publications;
  readonly bundles: Bundles;
  readonly record: RecordChange;
  readonly announce: Announce;
  readonly now: () => number;
  readonly sleep: Sleep;
  readonly log: PublisherLog;
};

export interface Publisher extends AsyncDisposable {
  /** What this process decides by and hands out; `undefined` until there is one. */
  inForce(): InForce | undefined;
  /** Loads the kept bundle, then sees to it for ever that the newest stored revision is in force. */
  start(): Promise<void>;
  /** Resolves when `revision` or a later one is in force. Rejects with what is in the way; it goes on trying by itself. */
  ensure(revision: bigint): Promise<void>;
  /** Something may have changed elsewhere: look now. */
  wake(): void;
  /** Why the last round failed; `undefined` after one that did not. */
  problem(): unknown;
}

const recordPage = 100;
const retryMs = { first: 250, max: 10_000 };
const announceWaitMs = 1_000;
/** Looks without being woken: another replica may have stored a revision and died before it announced it. */
const pollMs = 15_000;

export function createPublisher(ports: PublisherPorts): Publisher {
  const stop = new AbortController();
  let current: InForce | undefined;
  let round: Promise<void> | undefined;
  let problem: unknown;
  let wakeUp = new AbortController();
  let background: Promise<void> | undefined;

  async function recordChanges(): Promise<void> {
    for (;;) {
      const page = await ports.changes.unrecorded(recordPage);
      for (const change of page) {
        await ports.record(change);
        await ports.changes.markRecorded(change);
      }
      if (page.length < recordPage) return;
    }
  }

  /** Nothing that does not verify is ever in force; of two, the later one is. */
  async function verified(publication: Publication): Promise<InForce> {
    return { publication, evaluate: await ports.bundles.open(publication) };
  }

  function adopt(next: InForce): void {
    if (current !== undefined && current.publication.revision > next.publication.revision) return;
    current = next;
    ports.log.info('policy in force', { revision: next.publication.revision.toString() });
  }

  /** A kept bundle that does not verify is replaced by a new one of the same revision. */
  async function adoptKept(kept: Publication): Promise<boolean> {
    if (current !== undefined && current.publication.revision >= kept.revision) return true;
    try {
      adopt(await verified(kept));
      return true;
    } catch (error) {
      ports.log.warn('the kept policy bundle does not verify', { revision: kept.revision.toString(), error });
      return false;
    }
  }

  async function announce(): Promise<void> {
    const revision = current?.publication.revision ?? 0n;
    if ((await ports.publications.announcedRevision()) >= revision) return;
    const done = new AbortController();
    const late = ports.sleep(announceWaitMs, done.signal).then(() => {
      throw new Error(`the bus did not take the announcement within ${announceWaitMs} ms`);
    });
    await Promise.race([ports.announce(revision), late]).finally(() => done.abort());
    await ports.publications.markAnnounced(revision);
  }

  async function publishNewest(): Promise<void> {
    // Read before recording: what is committed later belongs to a later round, with its own records first.
    const state = await ports.reader.read();
    await recordChanges();
    const kept = await ports.publications.latest();
    if (kept !== undefined && kept.revision >= state.revision && (await adoptKept(kept))) return;
    if (state.revision > 0n) {
      const built = { ...(await ports.bundles.build(state)), builtAtMs: ports.now() };
      const next = await verified(built);
      await ports.publications.save(built);
      adopt(next);
    }
  }

  function run(): Promise<void> {
    round ??= publishNewest()
      .then(
        async () => {
          problem = undefined;
          // A revision is in force without its announcement: gateways also poll.
          await announce().catch((error: unknown) => {
            problem = error;
            ports.log.warn('policy revision not announced yet', { error });
          });
        },
        (error: unknown) => {
          problem = error;
          throw error;
        },
      )
      .finally(() => {
        round = undefined;
      });
    return round;
  }

  async function keepUp(): Promise<void> {
    let waitMs = retryMs.first;
    while (!stop.signal.aborted) {
      wakeUp = new AbortController();
      await run().catch((error: unknown) => ports.log.warn('policy not published yet', { error }));
      const failed = problem !== undefined;
      await ports.sleep(failed ? waitMs : pollMs, AbortSignal.any([stop.signal, wakeUp.signal]));
      waitMs = failed ? Math.min(waitMs * 2, retryMs.max) : retryMs.first;
    }
  }

  return {
    inForce: () => current,
    problem: () => problem,
    wake: () => wakeUp.abort(),
    async start() {
      const kept = await ports.publications.latest();
      if (kept !== undefined) await adoptKept(kept);
      background = keepUp();
    },
    async ensure(revision) {
      const reached = () => (current?.publication.revision ?? 0n) >= revision;
      if (reached()) return;
      // A round under way may have read the state before `revision` was stored; the one after it cannot have.
      await round?.catch(() => undefined);
      if (!reached()) await run();
      if (!reached()) await run();
      if (!reached()) throw new Error(`revision ${revision} is not in force after a full round`);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await background;
      await round?.catch(() => undefined);
    },
  };
}
