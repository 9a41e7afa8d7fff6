import type { CheckpointStore, LeafReader, LeafWriter, RecordReader } from '../app/ports.ts';

/** Everything audit-service stores outside its log folder. Implementations pass `test/contract/store.ts`. */
export type AuditStore = {
  readonly writer: LeafWriter;
  readonly leaves: LeafReader;
  readonly records: RecordReader;
  readonly checkpoints: CheckpointStore;
};
