import { auditv1 } from '@sallyport/proto';
import { invalidArgument } from '@sallyport/service/errors';
import { implement, type ServiceImplementation } from '@sallyport/service/grpc';
import type { Committed } from '../app/committed.ts';
import { exportLeaves } from '../app/export-leaves.ts';
import type { LeafReader, RecordReader } from '../app/ports.ts';
import { queryRecords } from '../app/query-records.ts';
import { exportEnd, getCheckpoint, getProof, getTile, type ReadLogPorts } from '../app/read-log.ts';
import { tailRecords } from '../app/tail-records.ts';
import { leafMessage, leafNumber, noteText, recordMessage, recordQuery, tailFilter } from './convert.ts';

export type RoutePorts = ReadLogPorts & {
  readonly leaves: LeafReader;
  readonly records: RecordReader;
  readonly committed: Committed;
  readonly nowMs: () => number;
};

/** What policy is asked about: "audit" and a name that a permission's resource pattern can match. */
const resource = (name: string) => () => ({ kind: 'audit', name });

export function routes(ports: RoutePorts): ServiceImplementation {
  return implement(
    auditv1.AuditService,
    {
      queryRecords: async (request, { signal }) => {
        const { records, nextPageToken } = await queryRecords(
          ports.records,
          recordQuery(request),
          ports.nowMs(),
          signal,
        );
        return { records: records.map(recordMessage), nextPageToken };
      },
      async *tailRecords(request, { signal }) {
        for await (const records of tailRecords(ports, tailFilter(request), request.includeEvent, signal)) {
          yield { records: records.map(recordMessage) };
        }
      },
      getCheckpoint: async () => {
        const { note, verifierKey, findings } = await getCheckpoint(ports);
        return { checkpoint: noteText(note), verifierKey, findings: [...findings] };
      },
      getProof: async ({ leafIndex }) => {
        const { entry, body, path, note } = await getProof(ports, leafNumber('leaf_index', leafIndex));
        return { leafIndex, entry, body, path: [...path], checkpoint: noteText(note) };
      },
      async *exportLeaves({ from, to }, { signal }) {
        const first = leafNumber('from', from);
        const asked = leafNumber('to', to);
        if (asked !== 0 && asked < first) throw invalidArgument('to is below from.', { field: 'to' });
        const end = await exportEnd(ports);
        const until = asked === 0 ? end : Math.min(asked, end);
        for await (const leaves of exportLeaves(ports, first, until, signal)) {
          yield { leaves: leaves.map(leafMessage) };
        }
      },
      getTile: async ({ path }) => ({ tile: await getTile(ports, path) }),
    },
    {
      resources: {
        queryRecords: resource('records'),
        tailRecords: resource('records'),
        getCheckpoint: resource('log'),
        getProof: ({ leafIndex }) => ({ kind: 'audit', name: `leaf.${leafIndex}` }),
        exportLeaves: resource('leaves'),
        getTile: resource('log'),
      },
    },
  );
}
