/**
 * A route of the door, guarded: each message is decided, recorded, pinned, filtered and sealed before it goes further
 * (docs/adr/0083).
 */
import { UpstreamFailure, type ModelContextServer } from '../ports.ts';
import type { GuardedPorts } from './ports.ts';

/** `upstream` already speaks the client's era. What comes out takes and gives sealed handles only. */
export function guardedServer(upstream: ModelContextServer, ports: GuardedPorts): ModelContextServer {
  void upstream;
  const refuse = (): Promise<never> =>
    Promise.reject(new UpstreamFailure('unreachable', `the route "${ports.route}" is not guarded yet`));
  return { send: refuse, listen: refuse, end: refuse };
}
