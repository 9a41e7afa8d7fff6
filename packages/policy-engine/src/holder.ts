/**
 * Keeps the engine on the newest bundle it has seen, across restarts.
 *
 * A bundle replaces the one in force only if it verifies, is newer, and passes the engine's self-test. The last good one
 * is persisted, and on restart it is both the policy to start with and the revision below which nothing is accepted.
 */

import type { BundleKeys } from './bundle.ts';
import type { PolicyEngine } from './engine.ts';
import { NO_TOOL_PINS } from './tool-pins.ts';
import type { ToolPin, ToolPinning, ToolPins } from './tool-pins.ts';
import { verifyBundle } from './verify-bundle.ts';
import type { BundleProblem } from './verify-bundle.ts';

/** Where the last good bundle survives a restart. `write` resolves when it would. */
export type LastGoodStore = {
  readonly read: () => Promise<{ readonly bytes: Uint8Array; readonly storedAtMs: number } | undefined>;
  readonly write: (bytes: Uint8Array) => Promise<void>;
  /** What is stored is as good as if it had been stored at `atMs`. */
  readonly touch: (atMs: number) => Promise<void>;
};

export type HolderOptions = {
  readonly engine: PolicyEngine;
  /** Asked at each verification, so that a rotated bundle key is picked up. */
  readonly keys: () => BundleKeys | Promise<BundleKeys>;
  readonly store: LastGoodStore;
  /** A clock that never goes back, in milliseconds. */
  readonly monotonicMs: () => number;
  /** Milliseconds since the Unix epoch: ages what was stored before this process began. */
  readonly epochMs: () => number;
};

export type OfferProblem =
  | BundleProblem
  /** Older than the one in force. */
  | 'rollback'
  /** Same revision, other content: two truths were signed. */
  | 'conflict'
  /** The engine refused it. */
  | 'unfit'
  /** The keys could not be had. */
  | 'keys_unavailable';

export type OfferResult =
  | { readonly kind: 'swapped'; readonly revision: number; readonly isPersisted: boolean }
  | { readonly kind: 'unchanged'; readonly revision: number }
  | { readonly kind: 'refused'; readonly problem: OfferProblem; readonly detail?: string };

export type HeldBundle = {
  readonly revision: number;
  readonly digest: string;
  /** Since it was last known to be the newest. For one restored from disk that is when it was stored: never too low. */
  readonly ageMs: number;
  readonly source: 'restored' | 'offered';
};

type Held = {
  revision: number;
  digest: string;
  source: HeldBundle['source'];
  confirmedAtMs: number;
  isPersisted: boolean;
  toolPins: ToolPins;
};

export class BundleHolder {
  readonly #options: HolderOptions;
  #held: Held | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: HolderOptions) {
    this.#options = options;
  }

  /** The bundle in force; undefined = none, and the engine denies everything. */
  get current(): HeldBundle | undefined {
    if (this.#held === undefined) return undefined;
    const { revision, digest, source, confirmedAtMs } = this.#held;
    return { revision, digest, source, ageMs: Math.max(0, this.#options.monotonicMs() - confirmedAtMs) };
  }

  /** 0 = none. */
  get revision(): number {
    return this.#held?.revision ?? 0;
  }

  /** What the bundle in force says about a tool; undefined: nobody has told policy-service of it, or there is no bundle. */
  pinOf(route: string, tool: string): ToolPin | undefined {
    return this.#held?.toolPins.routes.get(route)?.get(tool);
  }

  /** How tools that nobody approved are treated. Without a bundle nothing is decided, so the answer does not matter. */
  get toolPinning(): ToolPinning {
    return (this.#held?.toolPins ?? NO_TOOL_PINS).mode;
  }

  /** Loads what was stored. undefined when nothing was; rejects only when the store does. */
  async restore(): Promise<OfferResult | undefined> {
    const stored = await this.#options.store.read();
    if (stored === undefined) return undefined;
    const storedForMs = Math.max(0, this.#options.epochMs() - stored.storedAtMs);
    return this.#inTurn(() => this.#consider(stored.bytes, 'restored', storedForMs));
  }

  /** Offers are considered one after the other, in the order of the calls. Never rejects. */
  offer(bytes: Uint8Array): Promise<OfferResult> {
    return this.#inTurn(() => this.#consider(bytes, 'offered', 0));
  }

  /** The source of bundles says that `revision` is still its newest: the age starts anew. */
  confirm(revision: number): void {
    if (this.#held?.revision === revision) this.#held.confirmedAtMs = this.#options.monotonicMs();
  }

  /**
   * Stores how old the bundle in force is, so that a restart finds it no older. Does nothing while another one is stored:
   * that would make an older policy look young. Rejects when the store does.
   */
  async rememberAge(): Promise<void> {
    if (this.#held?.isPersisted !== true) return;
    const ageMs = this.current?.ageMs ?? 0;
    await this.#options.store.touch(this.#options.epochMs() - ageMs);
  }

  async #consider(bytes: Uint8Array, source: HeldBundle['source'], ageMs: number): Promise<OfferResult> {
    let keys: BundleKeys;
    try {
      keys = await this.#options.keys();
    } catch (error) {
      return refuse('keys_unavailable', String(error));
    }
    const verified = await verifyBundle(bytes, keys);
    if (!verified.ok) return refuse(verified.problem);
    const { bundle } = verified;
    const { revision, digest } = bundle;
    if (this.#held !== undefined && revision <= this.#held.revision) {
      if (revision < this.#held.revision)
        return refuse('rollback', `${String(revision)} < ${String(this.#held.revision)}`);
      if (digest !== this.#held.digest)
        return refuse('conflict', `revision ${String(revision)} has two contents`);
      if (source === 'offered') this.confirm(revision);
      return { kind: 'unchanged', revision };
    }
    const loaded = await this.#options.engine.load(bundle);
    if (!loaded.ok) return refuse('unfit', loaded.detail);
    const confirmedAtMs = this.#options.monotonicMs() - ageMs;
    const { toolPins } = bundle;
    const held: Held = { revision, digest, source, confirmedAtMs, isPersisted: false, toolPins };
    this.#held = held;
    held.isPersisted = source === 'restored' || (await this.#persist(bundle.bytes));
    return { kind: 'swapped', revision, isPersisted: held.isPersisted };
  }

  /** A full disk must not keep a newer policy, perhaps a revocation, out of force: it is reported instead. */
  async #persist(bytes: Uint8Array): Promise<boolean> {
    try {
      await this.#options.store.write(bytes);
      return true;
    } catch {
      return false;
    }
  }

  #inTurn(task: () => Promise<OfferResult>): Promise<OfferResult> {
    const result = this.#queue.then(task);
    this.#queue = result.catch(() => undefined);
    return result;
  }
}

function refuse(problem: OfferProblem, detail?: string): OfferResult {
  return detail === undefined ? { kind: 'refused', problem } : { kind: 'refused', problem, detail };
}
