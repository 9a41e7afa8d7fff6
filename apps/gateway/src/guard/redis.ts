/** placeholder until the adapter is committed */
import type { Clock } from '@sallyport/service/clock';
import type { Log } from '@sallyport/service/log';
import type { ReplayGuard } from '../app/ports.ts';
import type { RedisTarget } from './redis-target.ts';

/** A replay guard that several gateways share. */
export type SharedGuard = AsyncDisposable & {
  readonly guard: ReplayGuard;
  /** Rejects, with a message for a person, while frames would be refused. */
  ready(): Promise<void>;
};

export type SharedGuardFactory = (host: { readonly clock: Clock; readonly log: Log }) => Promise<SharedGuard>;

/** For `composeGateway`'s `guard` part. Throws `TypeError` for a target that cannot be right; never waits for Redis. */
export function redisReplayGuard(target: RedisTarget): SharedGuardFactory {
  return () => Promise.reject(new Error(`${target.kind}: not yet`));
}
