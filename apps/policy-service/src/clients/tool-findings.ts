/** Another definition of a known tool, as an OCSF Detection Finding. */
import { boundedTarget, detectionFindingEvent } from '@sallyport/audit-log';
import { randomBytes, sha256, toHex, utf8 } from '@sallyport/crypto';
import type { RecordDrift } from '../app/observe-tools.ts';
import { toolKey } from '../domain/tool.ts';
import type { AuditSink } from './audit.ts';

export const TOOL_CHANGED_FINDING = 'tool_changed';

export function driftRecorder(sink: AuditSink, serviceId: string, tenant: string): RecordDrift {
  return ({ sighting, pinned, instance, atMs }) => {
    const key = toolKey(sighting);
    const { digest, route } = sighting;
    const context = { id: toHex(randomBytes(16)), timeMs: atMs, source: serviceId, tenant };
    const event = detectionFindingEvent(context, {
      finding: TOOL_CHANGED_FINDING,
      // The same for the same definition of the same tool, whenever and wherever it is seen.
      findingId: toHex(sha256(utf8(`${key}\n${digest}`))),
      title: `A tool of the route ${route} has another definition than before`,
      description: `${pinned === '' ? 'Nothing is pinned.' : `Pinned: ${pinned}.`} Seen: ${digest}, by ${instance}. It is kept from clients until somebody approves it.`,
      severity: 'high',
      isAlert: true,
      about: boundedTarget(`tool:${key}`),
    });
    return sink.record(event, { useReserve: false });
  };
}
