import type { ModelContextServer } from '../ports.ts';
import type { Facing } from './facing.ts';
import type { TranslatePorts } from './ports.ts';

/** A server of 2026-07-28 as a client of 2025-11-25 and before sees it. */
export const sessionOver = (stateless: ModelContextServer, _ports: TranslatePorts): Facing => ({
  ...stateless,
  [Symbol.asyncDispose]: async () => undefined,
});
