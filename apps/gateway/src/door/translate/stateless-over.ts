import type { ModelContextServer } from '../ports.ts';
import type { Facing } from './facing.ts';
import type { TranslatePorts } from './ports.ts';

/** A server of 2025-11-25 and before as a client of 2026-07-28 sees it. */
export const statelessOver = (session: ModelContextServer, _ports: TranslatePorts): Facing => ({
  ...session,
  [Symbol.asyncDispose]: async () => undefined,
});
