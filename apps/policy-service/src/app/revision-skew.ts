import { getStatus } from './get-status.ts';

/** How many revisions the slowest gateway that reported lately is behind the one in force; 0 when there is none. */
export async function revisionSkew(ports: Parameters<typeof getStatus>[0]): Promise<number> {
  const { revision, instances } = await getStatus(ports);
  const behind = instances.map((report) => Number(revision - report.revision));
  return Math.max(0, ...behind);
}
