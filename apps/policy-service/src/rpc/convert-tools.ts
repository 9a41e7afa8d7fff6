/** Tools and their definitions between protobuf and the use cases. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { fromHex, toHex } from '@sallyport/crypto';
import { policyv1 } from '@sallyport/proto';
import type { SightingInput } from '../app/parse-sighting.ts';
import { statusOf, type ToolRecord, type ToolStatus } from '../domain/tool.ts';

const STATUS: Readonly<Record<ToolStatus, policyv1.ToolStatus>> = {
  pinned: policyv1.ToolStatus.PINNED,
  changed: policyv1.ToolStatus.CHANGED,
  waiting: policyv1.ToolStatus.WAITING,
  rejected: policyv1.ToolStatus.REJECTED,
};

export function sightingInput(observed: policyv1.ObservedTool): SightingInput {
  const { route, tool, digest, definitionJson } = observed;
  return { route, tool, digest: toHex(digest), definition: definitionJson };
}

const digestBytes = (hex: string): Uint8Array => fromHex(hex) ?? new Uint8Array();

export function toolMessage(record: ToolRecord): MessageInitShape<typeof policyv1.ToolSchema> {
  const { candidateSeenMs, approvedAtMs } = record;
  return {
    route: record.route,
    tool: record.tool,
    status: STATUS[statusOf(record)],
    pinnedDigest: digestBytes(record.pinned),
    candidateDigest: digestBytes(record.candidate),
    candidateRejected: record.isCandidateRejected,
    firstSeen: timestampFromMs(record.firstSeenMs),
    lastSeen: timestampFromMs(record.lastSeenMs),
    seenBy: record.seenBy,
    ...(candidateSeenMs === undefined ? {} : { candidateSeen: timestampFromMs(candidateSeenMs) }),
    approvedBy: record.approvedBy,
    ...(approvedAtMs === undefined ? {} : { approvedAt: timestampFromMs(approvedAtMs) }),
  };
}
