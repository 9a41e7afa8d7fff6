import type {
  ChangeLog,
  InstanceReports,
  Publications,
  PolicyReader,
  PolicyWriter,
  ToolRecords,
} from '../app/ports.ts';

/** One store, by the ports that the use cases take. Every implementation passes `test/contract/store.ts`. */
export type PolicyStore = {
  readonly policy: PolicyReader & PolicyWriter;
  readonly changes: ChangeLog;
  readonly publications: Publications;
  readonly reports: InstanceReports;
  readonly tools: ToolRecords;
};
