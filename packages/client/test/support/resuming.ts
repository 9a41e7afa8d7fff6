/** What the tests of resume ask of a cluster. */
import { FRAME_TYPE } from '@sallyport/channel';
import type { Cluster, Fate } from './cluster.ts';
import { body } from './gateway.ts';
import { eventually } from './sessions.ts';
import { expect } from 'vitest';

/** How many sessions were opened. */
export const hellos = (cluster: Cluster): number =>
  cluster.written.filter(({ type }) => type === FRAME_TYPE.clientHello).length;
/** Where they were resumed, or tried to be. */
export const resumeHellos = (cluster: Cluster): string[] =>
  cluster.written.filter(({ type }) => type === FRAME_TYPE.resumeHello).map(({ address }) => address);

/** A channel with one request that has left and has no answer. */
export async function underWay(cluster: Cluster, fate: Fate = { kind: 'kept' }) {
  const channel = await cluster.connect();
  cluster.fateOf = () => fate;
  const sent = cluster.requests.length;
  const response = channel.request('echo', body('once'));
  response.catch(() => undefined);
  await eventually(() => expect(cluster.requests.length).toBe(sent + 1));
  cluster.fateOf = () => ({ kind: 'answered' });
  return { channel, response };
}
