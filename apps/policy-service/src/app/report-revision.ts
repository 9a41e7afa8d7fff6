import { tooLarge } from '@sallyport/service/errors';
import { instanceLifetimeMs, liveInstances } from '../domain/instance.ts';
import { limits } from '../domain/limits.ts';
import { parseInstanceName } from '../domain/names.ts';
import type { InstanceReports } from './ports.ts';
import { refusalError } from './write.ts';

/** Keeps what a gateway says it runs. Throws `SallyportError`. */
export async function reportRevision(
  ports: { readonly reports: InstanceReports; readonly now: () => number },
  report: { readonly instance: string; readonly revision: bigint },
): Promise<void> {
  const instance = parseInstanceName(report.instance, 'instance');
  if (!instance.ok) throw refusalError(instance.refusal);
  const nowMs = ports.now();
  await ports.reports.prune(nowMs - instanceLifetimeMs);
  const others = liveInstances(await ports.reports.list(), nowMs).filter(
    (r) => r.instance !== instance.value,
  );
  if (others.length >= limits.instances) {
    throw tooLarge(`${limits.instances} gateways report already, the most that are kept.`, {
      field: 'instance',
    });
  }
  await ports.reports.put({ instance: instance.value, revision: report.revision, reportedAtMs: nowMs });
}
