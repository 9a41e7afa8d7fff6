/**
 * What must hold after any faults (the five sentences, each counted on both sides):
 * every acknowledged message recorded exactly once; no request executed twice; no replay admitted; no decision made on a
 * bundle older than the staleness limit; every checkpoint consistent with every later one.
 */
import { toHex } from '@sallyport/crypto';
import type { Load } from './load.ts';
import { rootsAt } from './roots.ts';

export type Row = Readonly<Record<string, unknown>>;

/** A request that a destination carried out: the id in its body, its idempotency key. */
export type Effect = { readonly id: number; readonly key: string };

/** A signed head of the log, as some replica served it at some time. */
export type SeenCheckpoint = { readonly size: number; readonly rootHex: string };

/** A write of policy that was answered as in force: from then on an older revision is stale. */
export type PolicyChange = { readonly revision: number; readonly inForceAtMs: number };

export type Evidence = {
  readonly load: Pick<Load, 'sent' | 'surprises'>;
  readonly rows: readonly Row[];
  readonly orders: readonly Effect[];
  readonly ledger: readonly Effect[];
  readonly checkpoints: readonly SeenCheckpoint[];
  readonly leafHashes: readonly Uint8Array[];
  readonly changes: readonly PolicyChange[];
  readonly maxAgeMs: number;
};

export type Violation = { readonly rule: string; readonly what: string };

/** Their routes say that a request may be carried out twice. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['ledger', 'echo']);

/** Clocks of one machine; a decision is recorded a moment after it was made. */
const SLACK_MS = 1_000;

export function violations(evidence: Evidence): Violation[] {
  return [
    ...recordedOnce(evidence),
    ...executedOnce(evidence),
    ...admittedOnce(evidence),
    ...neverStale(evidence),
    ...oneHistory(evidence),
    ...evidence.load.surprises.map((what) => ({ rule: 'client', what })),
  ];
}

const nameOf = ({ sessionId, correlation }: Row): string => `${String(sessionId)}-${String(correlation)}`;
const isAllowed = (row: Row): boolean => row['phase'] === 'decision' && row['decision'] === 'allow';

function recordedOnce({ load, rows }: Evidence): Violation[] {
  const allowed = count(rows.filter(isAllowed).map(nameOf));
  const concluded = count(
    rows.filter(({ phase, outcome }) => phase === 'outcome' && outcome === 'success').map(nameOf),
  );
  const found: Violation[] = [];
  for (const [id, { answer, destination }] of load.sent) {
    if (answer?.kind !== 'acknowledged') continue;
    const name = `${answer.session}-${answer.correlation}`;
    const decisions = allowed.get(name) ?? 0;
    const outcomes = concluded.get(name) ?? 0;
    // Where the route says that a request may be carried out again, a gateway takes over what a dead one had begun: each
    // time is decided and recorded under a sequence of its own.
    const isFine = IDEMPOTENT.has(destination)
      ? outcomes >= 1 && outcomes <= decisions
      : decisions === 1 && outcomes === 1;
    if (!isFine)
      found.push({
        rule: 'recorded exactly once',
        what: `message ${id} to ${destination} (${name}): ${decisions} decisions, ${outcomes} outcomes`,
      });
  }
  return found;
}

function executedOnce({ load, orders, ledger, rows }: Evidence): Violation[] {
  const found: Violation[] = [];
  const say = (what: string): void => void found.push({ rule: 'executed at most once', what });
  for (const [id, times] of count(orders.map((effect) => effect.id)))
    if (times > 1) say(`message ${id} to orders was executed ${times} times`);
  for (const [id, keys] of keysOf(ledger))
    if (keys.size > 1) say(`message ${id} to ledger came under ${keys.size} idempotency keys`);
  const decided = new Set(rows.filter(isAllowed).map(nameOf));
  const executed = new Set<number>();
  for (const { id, key } of [...orders, ...ledger]) {
    executed.add(id);
    if (!decided.has(key)) say(`message ${id} took effect without a recorded decision (${key})`);
  }
  for (const [id, { answer, destination }] of load.sent) {
    const isAway = answer?.kind === 'without_effect' && executed.has(id);
    if (isAway)
      say(
        `message ${id} to ${destination} took effect, and its client was told that it had not (${answer.code})`,
      );
    const isMissing = answer?.kind === 'acknowledged' && destination !== 'echo' && !executed.has(id);
    if (isMissing) say(`message ${id} was acknowledged and never executed`);
  }
  return found;
}

/** A sequence of a session is a message once; whatever comes under it again was replayed. */
function admittedOnce({ rows }: Evidence): Violation[] {
  const admitted = rows
    .filter(isAllowed)
    .map(({ sessionId, seq, sequence }) => `${String(sessionId)}#${String(seq ?? sequence)}`);
  return [...count(admitted)]
    .filter(([, times]) => times > 1)
    .map(([name, times]) => ({ rule: 'no replay admitted', what: `${name} was admitted ${times} times` }));
}

function neverStale({ rows, changes, maxAgeMs }: Evidence): Violation[] {
  const inOrder = changes.toSorted((a, b) => a.revision - b.revision);
  const found: Violation[] = [];
  for (const row of rows.filter(isAllowed)) {
    const revision = Number(row['policyRevision']);
    const next = inOrder.find((change) => change.revision > revision);
    const at = Date.parse(String(row['time']));
    if (next === undefined || at <= next.inForceAtMs + maxAgeMs + SLACK_MS) continue;
    const late = at - next.inForceAtMs;
    found.push({
      rule: 'no stale decision',
      what: `${nameOf(row)} was allowed by revision ${revision}, ${late} ms after revision ${next.revision} was in force`,
    });
  }
  return found;
}

/** Every head that was ever served is the head of a prefix of the log as it is now: so each is consistent with each. */
function oneHistory({ checkpoints, leafHashes }: Evidence): Violation[] {
  const roots = rootsAt(leafHashes, new Set(checkpoints.map(({ size }) => size)));
  return checkpoints.flatMap(({ size, rootHex }) => {
    const root = roots.get(size);
    if (root !== undefined && toHex(root) === rootHex) return [];
    const what =
      root === undefined
        ? `a checkpoint of size ${size}, and the log has ${leafHashes.length} leaves`
        : `the checkpoint of size ${size} with root ${rootHex} is not of this log`;
    return [{ rule: 'one history', what }];
  });
}

function count<T>(items: readonly T[]): Map<T, number> {
  const counts = new Map<T, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
}

function keysOf(effects: readonly Effect[]): Map<number, Set<string>> {
  const keys = new Map<number, Set<string>>();
  for (const { id, key } of effects) keys.set(id, (keys.get(id) ?? new Set()).add(key));
  return keys;
}
