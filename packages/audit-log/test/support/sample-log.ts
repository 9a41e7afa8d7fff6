/** A small deployment's log in memory, whose every part a test may change afterwards. */
import { ED25519 } from '@sallyport/crypto';
import { leafHash } from '@sallyport/crypto';
import {
  encodeEvent,
  entryOf,
  formatVerifierKey,
  frameEvent,
  memoryTileStore,
  openLog,
  recordsOfBody,
  sequenceGapEvent,
  signCheckpoint,
} from '../../src/index.ts';
import type { AuditEvent, AuditRecord, LogLeaf, LogSource, NoteSigner, TileStore } from '../../src/index.ts';

export const GATEWAY = 'spiffe://sallyport.local/svc/gateway#1';
export const KEYS = 'spiffe://sallyport.local/svc/key-service#1';
export const AUDIT = 'spiffe://sallyport.local/svc/audit-service#1';
export const ORIGIN = 'sallyport.local/audit';

const { publicKey, privateKey } = ED25519.keyPairFromRaw(new Uint8Array(32).fill(7));

export const signer: NoteSigner = {
  name: ORIGIN,
  publicKey: ED25519.rawPublicKey(publicKey),
  sign: async (message) => ED25519.sign(privateKey, message),
};

export const verifierKey = formatVerifierKey(ORIGIN, signer.publicKey);

export function decisionEvent(n: number, messages = 2): AuditEvent {
  return frameEvent(
    {
      id: `event-${n}`,
      timeMs: 1_800_000_000_000 + n,
      source: GATEWAY.split('#')[0] ?? '',
      tenant: 'default',
    },
    {
      phase: 'decision',
      principal: 'user:alice',
      sessionId: 'ab'.repeat(16),
      peer: { ip: '127.0.0.1', port: 4242 },
      messages: Array.from({ length: messages }, (_, i) => ({
        seq: BigInt(n * 256 + i + 1),
        correlation: n.toString(16).padStart(31, '0') + i.toString(16).slice(-1),
        destination: 'echo',
        action: 'message.send',
        decision: i % 2 === 0 ? 'allow' : 'deny',
        reason: i % 2 === 0 ? 'role' : 'no_role',
        policyRevision: '12',
        requestDigest: 'cd'.repeat(32),
      })),
    },
  );
}

export function gapEvent(
  n: number,
  gap: { producer: string; fromSeq: bigint; toSeq: bigint },
  source = AUDIT,
) {
  return sequenceGapEvent(
    { id: `gap-${n}`, timeMs: 1_800_000_000_000 + n, source: source.split('#')[0] ?? '', tenant: 'default' },
    gap,
  );
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
export type SampleLeaf = Omit<Mutable<LogLeaf>, 'records'> & { records: Mutable<AuditRecord>[] };

export function leafOf(index: number, producer: string, seq: bigint, event: AuditEvent): SampleLeaf {
  const body = encodeEvent(event);
  const hash = leafHash(entryOf({ producer, seq, body }));
  return { index, producer, seq, body, leafHash: hash, records: recordsOfBody(body) };
}

export class SampleLog implements LogSource {
  readonly leafList: SampleLeaf[];
  readonly store: TileStore;

  private constructor(leaves: SampleLeaf[], store: TileStore) {
    this.leafList = leaves;
    this.store = store;
  }

  /** A signed log of the leaves; `checkpoints` are the sizes signed on the way. */
  static async of(leaves: SampleLeaf[], checkpoints: readonly number[] = []): Promise<SampleLog> {
    const store = memoryTileStore();
    const log = await openLog(store, 0);
    for (const size of [...checkpoints, leaves.length]) {
      await log.append(leaves.slice(log.size, size).map(entryOf));
      await signCheckpoint({ store, log, signer });
    }
    return new SampleLog(leaves, store);
  }

  /** `size` leaves of two producers that take turns. */
  static ofSize(size: number, checkpoints: readonly number[] = []): Promise<SampleLog> {
    const leaves = Array.from({ length: size }, (_, i) =>
      leafOf(i, i % 2 === 0 ? GATEWAY : KEYS, BigInt(Math.floor(i / 2) + 1), decisionEvent(i)),
    );
    return SampleLog.of(leaves, checkpoints);
  }

  checkpoint(): Promise<Uint8Array | undefined> {
    return this.store.read('checkpoint');
  }

  tile(path: string): Promise<Uint8Array | undefined> {
    return this.store.read(path);
  }

  async *leaves(from: number): AsyncIterable<LogLeaf> {
    for (const leaf of this.leafList) if (leaf.index >= from) yield leaf;
  }

  leaf(index: number): SampleLeaf {
    const leaf = this.leafList[index];
    if (leaf === undefined) throw new RangeError(`no leaf ${index}`);
    return leaf;
  }

  /** Changes the byte at `offset` of a tile or of the checkpoint. */
  async flip(path: string, offset: number): Promise<void> {
    const bytes = await this.store.read(path);
    if (bytes === undefined) throw new RangeError(`no ${path}`);
    await this.store.replace(path, flipped(bytes, offset));
  }
}

export function flipped(bytes: Uint8Array, offset: number, mask = 0x01): Uint8Array {
  const copy = bytes.slice();
  copy[offset] = (copy[offset] ?? 0) ^ mask;
  return copy;
}
