import type {
  CheckpointFence,
  CheckpointReader,
  FolderStore,
  LeafReader,
  LeafWriter,
  RecordReader,
  SealReader,
} from '../app/ports.ts';

/** Everything audit-service stores outside its log folder. Implementations pass `test/contract/store.ts`. */
export type AuditStore = {
  readonly writer: LeafWriter;
  readonly leaves: LeafReader;
  readonly seals: SealReader;
  readonly records: RecordReader;
  readonly checkpoints: CheckpointReader;
  readonly fence: CheckpointFence;
  readonly folders: FolderStore;
};
