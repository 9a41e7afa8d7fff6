import type { AuditEvent } from '@sallyport/audit-log';
import type { AuditTrail } from '../audit/index.ts';
import { SallyportError } from '../errors/index.ts';

/** An audit trail that appends to `events`, for a service's `startAuditTrail`; refuses while `isFull`, as a spool does. */
export function memoryTrail(
  events: AuditEvent[],
  isFull: () => boolean = () => false,
): () => Promise<Pick<AuditTrail, 'record' | 'ready'> & AsyncDisposable> {
  const ready = async () => {
    if (isFull()) throw new SallyportError('spool_full', 'no room');
  };
  return async () => ({
    ready,
    record: async (event) => {
      await ready();
      events.push(event);
    },
    [Symbol.asyncDispose]: async () => undefined,
  });
}
