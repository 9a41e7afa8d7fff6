/**
 * Failed attempts, counted per source and cause over an interval, then recorded (PROTOCOL.md section 2, "Errors on the
 * wire"). Never one event each, so that a flood cannot fill the log; never a claimed name, which would be anybody's.
 */
import type { HandshakeCause } from '../domain/handshake-cause.ts';
import { MAX_FAILURE_ROWS } from '../domain/limits.ts';
import { sourceNetwork } from '../domain/source.ts';
import type { FailureCount, Now, RecordFailures } from './ports.ts';

export interface FailuresPorts<Cause extends string = HandshakeCause> {
  readonly record: RecordFailures<Cause>;
  /** Told of each, for metrics. */
  readonly onFailure: (cause: Cause) => void;
  readonly now: Now;
}

export interface Failures<Cause extends string = HandshakeCause> {
  count(sourceAddress: string, cause: Cause): void;
  /** Records what was counted since the last call. What the spool does not take is counted on. */
  flush(): Promise<void>;
}

/** Sources beyond those told apart in an interval. */
const OTHER = 'other';

/** `Cause` is a closed set: of handshakes, or of sign-ins. */
export function failures<Cause extends string = HandshakeCause>({
  record,
  onFailure,
  now,
}: FailuresPorts<Cause>): Failures<Cause> {
  let rows = new Map<string, { readonly source: string; readonly cause: Cause; count: number }>();
  let fromMs = now();

  function add(source: string, cause: Cause, by: number): void {
    const key = `${source} ${cause}`;
    const known = rows.get(key);
    if (known !== undefined) known.count += by;
    // Causes are a closed set, so that the rows of `other` are few.
    else if (rows.size < MAX_FAILURE_ROWS || source === OTHER) rows.set(key, { source, cause, count: by });
    else add(OTHER, cause, by);
  }

  return {
    count(sourceAddress, cause) {
      onFailure(cause);
      add(sourceNetwork(sourceAddress), cause, 1);
    },
    async flush() {
      const counted = [...rows.values()];
      const interval = { fromMs, toMs: now() };
      rows = new Map();
      fromMs = interval.toMs;
      const written = await Promise.allSettled(
        counted.map((row): Promise<void> => record({ ...row, ...interval } satisfies FailureCount<Cause>)),
      );
      const refused = written.find((result) => result.status === 'rejected');
      if (refused === undefined) return;
      fromMs = interval.fromMs;
      written.forEach((result, index) => {
        const row = counted[index];
        if (result.status === 'rejected' && row !== undefined) add(row.source, row.cause, row.count);
      });
      throw refused.reason;
    },
  };
}
