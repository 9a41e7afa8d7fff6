/** What a person has to know of the replicas to read a verification rightly. */
import type { Checkpoint } from '@sallyport/audit-log';
import type { ReplicaState } from './replicas.ts';

/** Nothing where there is one replica and it has what was verified before. `previous`: that, remembered here. */
export function replicaRemarks(
  replicas: readonly ReplicaState[],
  previous: Checkpoint | undefined,
): readonly string[] {
  const wanted = previous?.size ?? 0;
  const read = replicas.find(({ state }) => state === 'read');
  const behind = replicas.filter(({ state }) => state === 'behind');
  const silent = replicas.filter(({ state }) => state === 'silent');
  const forked = replicas.filter(({ agrees }) => agrees === false);
  const remarks = behind.map(
    ({ address, size = 0, agrees }) =>
      `The replica at ${address} is behind: its checkpoint has ${size} leaves, ${wanted} were verified here before.${agrees === true ? ' As far as it goes it is the same log.' : ''}`,
  );
  for (const { address } of forked)
    remarks.push(`The replica at ${address} has a signed checkpoint that contradicts the log that was read.`);
  for (const { address, problem = '' } of silent)
    remarks.push(`The replica at ${address} was not compared: ${problem}`);
  if (replicas.length > 1 && read !== undefined) remarks.push(`Read from the replica at ${read.address}.`);
  if (read !== undefined && read.size !== undefined && read.size < wanted) remarks.push(lagOrLoss(replicas));
  return remarks;
}

/** No replica that answered has what was verified before: which of the two it is shows by who has not answered. */
function lagOrLoss(replicas: readonly ReplicaState[]): string {
  const silent = replicas.filter(({ state }) => state === 'silent').map(({ address }) => address);
  return silent.length === 0
    ? 'No replica has what was verified here before, and none has made up for it within seconds. If one is still building its folder (its readiness says so) run this again; otherwise leaves were cut off.'
    : `No replica that answered has what was verified here before. They may lag behind ${silent.join(', ')}: verify again when that one answers, before you conclude that leaves were cut off.`;
}
