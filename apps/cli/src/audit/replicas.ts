/**
 * Verification of a log that several replicas serve, each from a folder of its own that may be a moment behind.
 *
 * One replica is read from its checkpoint to its last leaf: checkpoint and tiles of two would not fit together. It is the
 * one whose checkpoint has most leaves, so that a replica that lags does not pass for a log that was cut. What the others
 * have signed is compared with the history that was read: a fork between replicas shows.
 */
import {
  verifyCheckpoint,
  verifyLog,
  type Checkpoint,
  type VerifierKey,
  type VerifyOptions,
  type VerifyReport,
} from '@sallyport/audit-log';
import { SallyportError } from '@sallyport/service/errors';
import { serviceSource, type LogCalls } from './source.ts';

export type LogReplica = { readonly address: string; readonly client: LogCalls };

export type ReplicaState = {
  readonly address: string;
  /** Leaves under its checkpoint, where its signature holds. */
  readonly size?: number;
  /**
   * `read`: the one that was verified. `behind`: it has fewer leaves than were verified on this machine before; `current`:
   * it has not. `silent`: it did not answer, see `problem`.
   */
  readonly state: 'read' | 'current' | 'behind' | 'silent';
  /** Whether its checkpoint is of the history that was read; absent where that cannot be said. */
  readonly agrees?: boolean;
  readonly problem?: string;
};

export type LogVerification = {
  readonly report: VerifyReport;
  /** In the order given. */
  readonly replicas: readonly ReplicaState[];
  /** What the replicas themselves found, e.g. between two copies of a checkpoint, which nobody outside can see. */
  readonly selfReported: readonly string[];
};

export type VerifyReplicasOptions = Pick<
  VerifyOptions,
  'earlierKeys' | 'maxFindings' | 'previous' | 'verifierKey'
> & {
  readonly keys: readonly VerifierKey[];
  readonly onLeaf: (read: number) => void;
  readonly sleep: (ms: number) => Promise<unknown>;
};

/** A replica has what another one saved within moments; one that is building its folder takes longer and is said to. */
const LOOKS = 8;
const LOOK_AGAIN_MS = 500;

/** Throws `SallyportError`: the first replica's when none can be read. */
export async function verifyReplicas(
  replicas: readonly LogReplica[],
  options: VerifyReplicasOptions,
): Promise<LogVerification> {
  const { keys, onLeaf, previous, sleep, ...rest } = options;
  const unread = new Map<string, SallyportError>();
  for (;;) {
    const asked = replicas.filter(({ address }) => !unread.has(address));
    const seen = await lookUntil(asked, keys, previous?.size ?? 0, sleep);
    for (const [address, error] of seen.failed) unread.set(address, error);
    const [chosen] = seen.answered.toSorted((a, b) => b.rank - a.rank);
    if (chosen === undefined) throw firstOf(replicas, unread);
    const others = seen.answered.filter((each) => each !== chosen);
    const alsoSigned = others.flatMap(({ checkpoint }) => (checkpoint === undefined ? [] : [checkpoint]));
    try {
      const report = await verifyLog(serviceSource(chosen.client, onLeaf), {
        ...rest,
        ...(previous === undefined ? {} : { previous }),
        // A checkpoint that does not verify says nothing that others could contradict.
        ...(chosen.checkpoint === undefined ? {} : { alsoSigned }),
      });
      // Asked again: reading may have taken a while, and the replica looks at its own log meanwhile.
      const { findings } = await chosen.client.getCheckpoint({});
      const looks = [{ ...chosen, findings }, ...others];
      return {
        report,
        replicas: replicas.map(({ address }): ReplicaState => {
          const other = others.find((each) => each.address === address);
          if (address === chosen.address) return { address, state: 'read', ...sizeOf(report.checkpoint) };
          if (other === undefined)
            return { address, state: 'silent', problem: unread.get(address)?.message ?? '' };
          return { address, ...stateOf(other.checkpoint, report, previous) };
        }),
        selfReported: looks.flatMap((look) =>
          look.findings.map((text) => (replicas.length === 1 ? text : `${look.address}: ${text}`)),
        ),
      };
    } catch (error) {
      // It went away while it was read: the next one is read from the start, nothing of this one counts.
      if (!isGone(error)) throw error;
      unread.set(chosen.address, error);
    }
  }
}

function stateOf(
  checkpoint: Checkpoint | undefined,
  report: VerifyReport,
  previous: Checkpoint | undefined,
): Omit<ReplicaState, 'address'> {
  const isBehind = (checkpoint?.size ?? 0) < (previous?.size ?? 0);
  const isContradicted = report.findings.some(({ contradicts }) => contradicts === checkpoint);
  const agrees =
    checkpoint === undefined ? {} : isContradicted || report.ok ? { agrees: !isContradicted } : {};
  return { state: isBehind ? 'behind' : 'current', ...sizeOf(checkpoint), ...agrees };
}

const sizeOf = (checkpoint: Checkpoint | undefined): { readonly size?: number } =>
  checkpoint === undefined ? {} : { size: checkpoint.size };

type Look = LogReplica & {
  readonly checkpoint?: Checkpoint;
  readonly findings: readonly string[];
  /** The replica with the highest is read: one whose checkpoint does not verify before all, so that it is explained. */
  readonly rank: number;
};

type Looks = { readonly answered: readonly Look[]; readonly failed: ReadonlyMap<string, SallyportError> };

/** Until one of them has `wanted` leaves, for a bounded time. */
async function lookUntil(
  replicas: readonly LogReplica[],
  keys: readonly VerifierKey[],
  wanted: number,
  sleep: (ms: number) => Promise<unknown>,
): Promise<Looks> {
  for (let look = 1; ; look++) {
    const seen = await lookAt(replicas, keys);
    const isEnough = seen.answered.some(({ rank }) => rank >= wanted);
    if (isEnough || look === LOOKS || seen.answered.length === 0) return seen;
    await sleep(LOOK_AGAIN_MS);
  }
}

async function lookAt(replicas: readonly LogReplica[], keys: readonly VerifierKey[]): Promise<Looks> {
  const failed = new Map<string, SallyportError>();
  const looks = await Promise.all(
    replicas.map(async (replica): Promise<Look | undefined> => {
      try {
        const { checkpoint: note, findings } = await replica.client.getCheckpoint({});
        // None yet: a folder that is being filled.
        if (note === '') return { ...replica, findings, rank: -1 };
        const verified = verifyCheckpoint(new TextEncoder().encode(note), keys);
        if (!verified.ok) return { ...replica, findings, rank: Infinity };
        const { checkpoint } = verified;
        return { ...replica, checkpoint, findings, rank: checkpoint.size };
      } catch (error) {
        if (!isGone(error)) throw error;
        failed.set(replica.address, error);
        return undefined;
      }
    }),
  );
  return { answered: looks.filter((look) => look !== undefined), failed };
}

/**
 * Runs `ask` on one replica after the other until one answers, the one that answered last first: each says the same,
 * sooner or later. For `unavailable` (unreachable, or behind) the next is asked; other errors are an answer.
 */
export function anyReplica<Client>(
  replicas: readonly { readonly address: string; readonly client: Client }[],
): <Answer>(ask: (client: Client) => Promise<Answer>) => Promise<Answer> {
  let current = 0;
  return async (ask) => {
    let first: unknown;
    for (let tried = 0; tried < replicas.length; tried++) {
      const replica = replicas[current];
      if (replica === undefined) break;
      try {
        return await ask(replica.client);
      } catch (error) {
        if (!isGone(error)) throw error;
        first ??= error;
        current = (current + 1) % replicas.length;
      }
    }
    throw first;
  };
}

function isGone(error: unknown): error is SallyportError {
  return (
    error instanceof SallyportError &&
    (error.reason === 'unavailable' || error.reason === 'deadline_exceeded')
  );
}

function firstOf(
  replicas: readonly LogReplica[],
  errors: ReadonlyMap<string, SallyportError>,
): SallyportError {
  for (const { address } of replicas) {
    const error = errors.get(address);
    if (error !== undefined) return error;
  }
  throw new RangeError('a verification without replicas');
}
