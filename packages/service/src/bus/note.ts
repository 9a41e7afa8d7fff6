import { bounded } from './bounded.ts';
import type { Bus } from './port.ts';

/** Below the second that a readiness check has. */
const WITHIN_MS = 500;

/**
 * A readiness check that never fails and says when the bus is away: traffic goes on without it, events wait in spools,
 * feeds are polled.
 */
export function busNote(bus: Pick<Bus, 'check'>): () => Promise<string | undefined> {
  return async () =>
    (await bounded(bus.check(), WITHIN_MS)) ? undefined : 'away: audit events wait in the spool';
}
