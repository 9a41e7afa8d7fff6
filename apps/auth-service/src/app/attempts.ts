/**
 * Attempts at passwords, slowed down and never locked out for good: by who is tried from where, by where they come from, and
 * by who is tried from anywhere. A source that a user signed in from before is exempt from the last: strangers who try the
 * user's name delay each other, not the user.
 *
 * In memory of this process, bounded: what falls out is forgotten, the longest unseen first.
 */
export interface Attempts {
  /** Whether one may be made now; it counts as failed until `succeeded`. Else in how many milliseconds to come again. */
  begin(account: string, source: string): { readonly retryAfterMs: number } | { succeeded(): void };
}

interface Tally {
  failures: number;
  notBeforeMs: number;
  lastMs: number;
}

interface Rule {
  /** Attempts that wait for nothing. */
  readonly free: number;
  readonly maxDelayMs: number;
}

const RULES = {
  pair: { free: 5, maxDelayMs: 60_000 },
  source: { free: 30, maxDelayMs: 60_000 },
  account: { free: 20, maxDelayMs: 30_000 },
} as const satisfies Record<string, Rule>;

const FIRST_DELAY_MS = 1_000;
/** Without a failure for so long, they are forgotten. */
const FORGET_MS = 15 * 60_000;
const MAX_TALLIES = 65_536;
const MAX_KNOWN = 65_536;

export function createAttempts(monotonic: () => number): Attempts {
  const tallies = new Map<string, Tally>();
  const known = new Set<string>();

  function tallyOf(key: string, now: number): Tally {
    const found = tallies.get(key);
    const tally =
      found === undefined || now - found.lastMs > FORGET_MS
        ? { failures: 0, notBeforeMs: now, lastMs: now }
        : found;
    tallies.delete(key);
    tallies.set(key, tally); // a Map keeps insertion order: the longest unseen is the first
    trim(tallies, MAX_TALLIES);
    return tally;
  }

  return {
    begin(account, source) {
      const now = monotonic();
      const pair = JSON.stringify([account, source]);
      const counted: (readonly [Rule, Tally])[] = [
        [RULES.pair, tallyOf(`pair ${pair}`, now)],
        [RULES.source, tallyOf(`source ${source}`, now)],
      ];
      if (!known.has(pair)) counted.push([RULES.account, tallyOf(`account ${account}`, now)]);
      const retryAfterMs = Math.max(...counted.map(([, tally]) => tally.notBeforeMs - now));
      if (retryAfterMs > 0) return { retryAfterMs };
      // Counted before it is tried: many at the same time are as many.
      const before = counted.map(([, tally]) => ({ ...tally }));
      for (const [rule, tally] of counted) fail(rule, tally, now);
      return {
        succeeded() {
          known.delete(pair);
          known.add(pair);
          trim(known, MAX_KNOWN);
          // One's own success says nothing of the others from the same place.
          counted.forEach(([rule, tally], at) => {
            if (rule === RULES.pair) Object.assign(tally, { failures: 0, notBeforeMs: now });
            else {
              tally.failures -= 1;
              tally.notBeforeMs = Math.min(tally.notBeforeMs, before[at]?.notBeforeMs ?? now);
            }
          });
        },
      };
    },
  };
}

function fail({ free, maxDelayMs }: Rule, tally: Tally, now: number): void {
  tally.failures += 1;
  tally.lastMs = now;
  const over = tally.failures - free;
  tally.notBeforeMs = over < 0 ? now : now + Math.min(maxDelayMs, FIRST_DELAY_MS * 2 ** Math.min(over, 16));
}

function trim(entries: Map<string, unknown> | Set<string>, max: number): void {
  for (const oldest of entries.keys()) {
    if (entries.size <= max) return;
    entries.delete(oldest);
  }
}
