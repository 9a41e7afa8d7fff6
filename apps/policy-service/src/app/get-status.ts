import { liveInstances, type InstanceReport } from '../domain/instance.ts';
import type { InstanceReports } from './ports.ts';
import type { InForce } from './publish.ts';

export type Status = {
  /** In force; 0 = none yet. */
  readonly revision: bigint;
  readonly builtAtMs: number | undefined;
  /** Gateways that reported lately, the slowest first. */
  readonly instances: readonly InstanceReport[];
};

export async function getStatus(ports: {
  readonly inForce: () => InForce | undefined;
  readonly reports: Pick<InstanceReports, 'list'>;
  readonly now: () => number;
}): Promise<Status> {
  const publication = ports.inForce()?.publication;
  return {
    revision: publication?.revision ?? 0n,
    builtAtMs: publication?.builtAtMs,
    instances: liveInstances(await ports.reports.list(), ports.now()),
  };
}
