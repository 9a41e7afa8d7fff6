/**
 * The newest policy bundle, by the numbered feed of policy-service: pulled when a newer revision is named, verified and
 * swapped by the holder. What is in force ages from the moment it was last known to be the newest (docs/adr/0056).
 */
import { fromBinary } from '@bufbuild/protobuf';
import type { BundleHolder } from '@sallyport/policy-engine';
import { eventsv1, type policyv1 } from '@sallyport/proto';
import {
  bundleFeed,
  followFeed,
  type Announcement,
  type Follower,
  type FollowOptions,
  type Polled,
} from '@sallyport/service/feed';
import type { ServiceCalls } from '@sallyport/service/grpc';

/** A bundle is up to 4 MiB, and it is verified before it counts. */
const PULL_DEADLINE_MS = 5_000;
/** What was refused is refused again: not pulled anew at each turn. */
const REFUSED_FOR_MS = 5_000;
const REMEMBER_EVERY_MS = 60_000;

type PolicyCalls = Pick<ServiceCalls<typeof policyv1.PolicyService>, 'getBundle' | 'reportRevision'>;

export type PolicyFeedOptions = Pick<FollowOptions, 'bus' | 'clock' | 'meter'> & {
  readonly log: Pick<FollowOptions['log'], 'info' | 'warn' | 'error'>;
  readonly policy: PolicyCalls;
  readonly holder: Pick<BundleHolder, 'confirm' | 'offer' | 'rememberAge' | 'restore' | 'revision'>;
  /** Names this gateway in `sallyport policy status`. */
  readonly instance: string;
};

/** Begins pulling at once and goes on until disposed. Rejects with `BusError` when it cannot subscribe. */
export function startPolicyFeed(options: PolicyFeedOptions): Promise<Follower> {
  const { policy, holder, log, clock, instance, ...rest } = options;
  let reported = 0;
  let isRestored = false;
  let refused: { readonly revision: bigint; readonly atMs: number } | undefined;
  let rememberedAtMs = -Infinity;

  /** The last good bundle of the run before, as soon as its keys can be had; a newer one replaces it. */
  async function restore(): Promise<void> {
    if (isRestored || holder.revision > 0) return;
    const result = await holder.restore();
    if (result?.kind === 'refused') {
      if (result.problem === 'keys_unavailable') return;
      log.error('the stored policy bundle was refused', { problem: result.problem, detail: result.detail });
    }
    isRestored = true;
  }

  async function offer(bundle: Uint8Array, revision: bigint): Promise<void> {
    const result = await holder.offer(bundle);
    if (result.kind !== 'refused') return;
    const { problem, detail } = result;
    const meanwhile =
      holder.revision === 0 ? 'everything is denied until a good one comes' : 'the one before stays in force';
    log.error(`a policy bundle was refused; ${meanwhile}`, { problem, detail });
    // A key that is unknown may be about to be known.
    if (problem !== 'keys_unavailable' && problem !== 'key_unknown')
      refused = { revision, atMs: clock.monotonic() };
  }

  async function report(deadlineMs: number): Promise<void> {
    if (holder.revision === reported) return;
    await policy.reportRevision({ instance, revision: BigInt(holder.revision) }, { deadlineMs });
    reported = holder.revision;
  }

  async function pull(_applied: bigint, deadlineMs: number): Promise<Polled> {
    await restore();
    const held = BigInt(holder.revision);
    const isRefusedNow = refused !== undefined && clock.monotonic() - refused.atMs < REFUSED_FOR_MS;
    const known = isRefusedNow && refused !== undefined && refused.revision > held ? refused.revision : held;
    const { revision, bundle } = await policy.getBundle({ currentRevision: known }, { deadlineMs });
    if (bundle.length > 0) await offer(bundle, revision);
    await report(deadlineMs);
    return { through: BigInt(holder.revision), last: revision };
  }

  return followFeed({
    ...rest,
    log,
    clock,
    feed: bundleFeed,
    read: announcementOf,
    poll: pull,
    pollDeadlineMs: PULL_DEADLINE_MS,
    onCurrent(revision) {
      holder.confirm(Number(revision));
      if (clock.monotonic() - rememberedAtMs < REMEMBER_EVERY_MS) return;
      rememberedAtMs = clock.monotonic();
      holder
        .rememberAge()
        .catch((error: unknown) => log.warn('the age of the policy bundle could not be stored', { error }));
    },
  });
}

function announcementOf(payload: Uint8Array): Announcement | undefined {
  try {
    return { number: fromBinary(eventsv1.BundleAnnouncedSchema, payload).revision };
  } catch {
    return undefined;
  }
}
