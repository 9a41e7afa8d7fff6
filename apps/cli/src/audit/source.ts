/** The log as the verifier reads it: from one replica of the running audit-service. */
import type { LogLeaf, LogSource } from '@sallyport/audit-log';
import type { auditv1 } from '@sallyport/proto';
import { SallyportError } from '@sallyport/service/errors';
import type { ServiceCalls } from '@sallyport/service/grpc';
import { recordRow } from './records.ts';

export type LogCalls = Pick<
  ServiceCalls<typeof auditv1.AuditService>,
  'exportLeaves' | 'getCheckpoint' | 'getTile'
>;

/** `onLeaf` hears how many leaves were read so far and how many the checkpoint covers. */
export function serviceSource(client: LogCalls, onLeaf: (read: number) => void): LogSource {
  return {
    async checkpoint() {
      const { checkpoint } = await client.getCheckpoint({});
      return checkpoint === '' ? undefined : new TextEncoder().encode(checkpoint);
    },
    async tile(path) {
      try {
        return (await client.getTile({ path })).tile;
      } catch (error) {
        if (error instanceof SallyportError && error.reason === 'not_found') return undefined;
        throw error;
      }
    },
    async *leaves(from) {
      let read = from;
      for await (const { leaves } of client.exportLeaves({ from: BigInt(from) })) {
        for (const leaf of leaves) {
          yield leafOf(leaf);
          read += 1;
          onLeaf(read);
        }
      }
    },
  };
}

function leafOf(leaf: auditv1.Leaf): LogLeaf {
  return {
    index: Number(leaf.leafIndex),
    producer: leaf.producer,
    seq: leaf.producerSeq,
    body: leaf.body,
    leafHash: leaf.leafHash,
    records: leaf.records.map(recordRow),
  };
}
