/** What audit-service itself finds wrong, as an event of its own and loud in the operational log. */
import { detectionFindingEvent, type AuditEvent } from '@sallyport/audit-log';
import { sha256, toHex, utf8 } from '@sallyport/crypto';
import type { Log } from '@sallyport/service/log';
import type { Record } from './ports.ts';

type EventContext = Parameters<typeof detectionFindingEvent>[0];

export type Finding = {
  /** For machines: a short fixed name. */
  readonly finding: string;
  /** The same key within `QUIET_MS` is the same finding and recorded once: nobody fills the log by being refused. */
  readonly key: string;
  /** It can be found only once: the same key is the same finding for ever. */
  readonly isUnique?: boolean;
} & (
  | { readonly event: (context: EventContext) => AuditEvent }
  | { readonly title: string; readonly description: string; readonly severity: 'high' | 'critical' }
);

/** Resolves when the finding is in this service's spool, or was a moment ago. Throws what the spool says. */
export type ReportFinding = (finding: Finding) => Promise<void>;

export type ReportFindingPorts = {
  readonly record: Record;
  readonly serviceId: string;
  readonly tenant: string;
  readonly now: () => number;
  readonly monotonic: () => number;
  readonly log: Log;
};

const QUIET_MS = 60_000;
const MAX_KEYS = 1_000;

export function findingReporter(ports: ReportFindingPorts): ReportFinding {
  const reported = new Map<string, { readonly atMs: number; readonly done: Promise<void> }>();

  return (finding) => {
    const atMs = ports.monotonic();
    const known = reported.get(finding.key);
    if (known !== undefined && atMs - known.atMs < QUIET_MS) return known.done;
    const done = write(ports, finding);
    const entry = { atMs, done };
    reported.delete(finding.key);
    reported.set(finding.key, entry);
    const oldest = reported.keys().next();
    if (reported.size > MAX_KEYS && oldest.done !== true) reported.delete(oldest.value);
    // Not recorded: the next time it is tried again.
    done.catch(() => {
      if (reported.get(finding.key) === entry) reported.delete(finding.key);
    });
    return done;
  };
}

async function write(ports: ReportFindingPorts, finding: Finding): Promise<void> {
  const timeMs = ports.now();
  const context = {
    id: idOf(finding, timeMs),
    timeMs,
    source: ports.serviceId,
    tenant: ports.tenant,
  };
  ports.log.error('audit finding', { finding: finding.finding, key: finding.key });
  await ports.record(
    'event' in finding
      ? finding.event(context)
      : detectionFindingEvent(context, {
          finding: finding.finding,
          findingId: context.id,
          title: finding.title.slice(0, 500),
          description: finding.description.slice(0, 500),
          severity: finding.severity,
          isAlert: true,
        }),
  );
}

/**
 * The same for every replica that finds the same thing, as far as they can know: who reads events takes equal source and
 * id for one event (CloudEvents 1.0, "id"). What may be found again is another finding in another minute.
 */
function idOf({ finding, key, isUnique = false }: Finding, timeMs: number): string {
  const when = isUnique ? '' : Math.floor(timeMs / QUIET_MS);
  return toHex(sha256(utf8(`${finding}\n${key}\n${when}`)).subarray(0, 16));
}
