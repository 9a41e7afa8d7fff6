/**
 * The newest policy bundle: announced on the bus, pulled from policy-service, verified and swapped by the holder, and
 * polled besides, so that a lost announcement costs seconds and not the change (DESIGN.md section 12).
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { keyv1, type policyv1 } from '@sallyport/proto';
import type { BundleHolder, BundleKeys } from '@sallyport/policy-engine';
import type { Bus } from '@sallyport/service/bus';
import type { ServiceCalls } from '@sallyport/service/grpc';
import type { Log } from '@sallyport/service/log';

export const BUNDLE_SUBJECT = 'policy.bundle';
const POLL_MS = 5_000;
const FIRST_RETRY_MS = 50;

type PolicyCalls = Pick<ServiceCalls<typeof policyv1.PolicyService>, 'getBundle' | 'reportRevision'>;

export type PolicyFeedOptions = {
  readonly policy: PolicyCalls;
  readonly holder: BundleHolder;
  readonly bus: Bus;
  readonly log: Log;
  /** Names this gateway in `sallyport policy status`. */
  readonly instance: string;
};

/** Begins pulling at once and goes on until disposed. */
export async function startPolicyFeed(options: PolicyFeedOptions): Promise<AsyncDisposable> {
  const { policy, holder, bus, log, instance } = options;
  let reported = 0;
  let isOver = false;
  let isRestored = false;
  let timer: NodeJS.Timeout | undefined;
  let pulling: Promise<void> | undefined;
  let isWanted = false;
  let retryMs = FIRST_RETRY_MS;

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

  async function pullOnce(): Promise<void> {
    await restore();
    const { revision, bundle } = await policy.getBundle({ currentRevision: BigInt(holder.revision) });
    if (bundle.length === 0) holder.confirm(Number(revision));
    else {
      const result = await holder.offer(bundle);
      if (result.kind === 'refused') {
        log.error('a policy bundle was refused; the one before stays in force', {
          problem: result.problem,
          detail: result.detail,
        });
      }
    }
    if (holder.revision !== reported) {
      await policy.reportRevision({ instance, revision: BigInt(holder.revision) });
      reported = holder.revision;
    }
  }

  function pull(): Promise<void> {
    isWanted = true;
    pulling ??= (async () => {
      clearTimeout(timer);
      let delayMs = POLL_MS;
      while (isWanted && !isOver) {
        isWanted = false;
        try {
          await pullOnce();
          retryMs = FIRST_RETRY_MS;
          if (holder.revision === 0) delayMs = FIRST_RETRY_MS;
        } catch (error) {
          // Quietly while starting up: policy-service may not be there yet.
          if (retryMs >= POLL_MS) log.warn('the policy bundle could not be pulled', { error });
          delayMs = retryMs;
          retryMs = Math.min(retryMs * 2, POLL_MS);
        }
      }
      pulling = undefined;
      if (!isOver) timer = setTimeout(() => void pull(), delayMs);
    })();
    return pulling;
  }

  const subscription = await bus.subscribe(BUNDLE_SUBJECT, {}, () => pull());
  void pull();
  return {
    async [Symbol.asyncDispose]() {
      isOver = true;
      clearTimeout(timer);
      await subscription.unsubscribe();
      await pulling;
    },
  };
}

const CACHE_MS = 1_000;

/** The keys that may sign bundles, from key-service's directory; asked again at most once a second. */
export function bundleKeys(
  keys: Pick<ServiceCalls<typeof keyv1.KeyService>, 'listPublicKeys'>,
  monotonic: () => number,
): () => Promise<BundleKeys> {
  let cached: { keys: BundleKeys; atMs: number } | undefined;
  return async () => {
    if (cached !== undefined && monotonic() - cached.atMs < CACHE_MS) return cached.keys;
    const answer = await keys.listPublicKeys({ purpose: 'policy-bundle' });
    const usable = answer.keys.filter(({ state }) => USABLE.has(state));
    cached = {
      keys: new Map(usable.map(({ keyId, publicKey }) => [keyId, ed25519Key(publicKey)])),
      atMs: monotonic(),
    };
    return cached.keys;
  };
}

/** NIST SP 800-57 part 1 section 7.2: a deactivated key still verifies what it signed before. */
const USABLE: ReadonlySet<keyv1.KeyState> = new Set([keyv1.KeyState.ACTIVE, keyv1.KeyState.DEACTIVATED]);

function ed25519Key(raw: Uint8Array): KeyObject {
  return createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(raw).toString('base64url') },
    format: 'jwk',
  });
}
