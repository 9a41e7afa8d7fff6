/**
 * A folder on a disk that loses power: of the write under way any sectors may be there, of the names that were not synced
 * any first part. What was synced is there. Writes and calls fail when told to, as on a full or a failing disk.
 */
import { basename } from 'node:path';
import type { SpoolFile, SpoolFs } from '../../src/spool/types.ts';

const SECTOR = 512;

/** What a reader sees, and what is on the platter. */
type Inode = { seen: Uint8Array; kept: Uint8Array };
type Names = Map<string, Inode>;

export class LosingDisk {
  /** Steps until the power goes; each call of the file system takes one or two. */
  stepsLeft = Infinity;
  /** How likely a call is to fail. */
  failing = 0;
  readonly fs: SpoolFs;
  readonly #random: () => number;
  #seen: Names;
  #kept: Names;
  #unsynced: ((names: Names) => void)[] = [];

  constructor(random: () => number, files: ReadonlyMap<string, Uint8Array> = new Map()) {
    this.#random = random;
    this.#seen = new Map(Array.from(files, ([name, bytes]) => [name, { seen: bytes, kept: bytes }]));
    this.#kept = new Map(this.#seen);
    this.fs = this.#fileSystem();
  }

  get isOff(): boolean {
    return this.stepsLeft <= 0;
  }

  /** What the next start finds. */
  afterPowerLoss(): LosingDisk {
    const names = new Map(this.#kept);
    const lasting = Math.floor(this.#random() * (this.#unsynced.length + 1));
    for (const change of this.#unsynced.slice(0, lasting)) change(names);
    return new LosingDisk(this.#random, new Map(Array.from(names, ([name, { kept }]) => [name, kept])));
  }

  /** The process alone ended: what it wrote is in the cache of the system. */
  afterKill(): LosingDisk {
    return new LosingDisk(this.#random, new Map(Array.from(this.#seen, ([name, { seen }]) => [name, seen])));
  }

  async #step(): Promise<void> {
    await Promise.resolve();
    this.stepsLeft -= 1;
    if (this.isOff) throw new Error('no power');
  }

  async #failingStep(): Promise<void> {
    await this.#step();
    if (this.#random() < this.failing) throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
  }

  #rename(change: (names: Names) => void): void {
    change(this.#seen);
    this.#unsynced.push(change);
  }

  #fileSystem(): SpoolFs {
    const at = (path: string): Inode | undefined => this.#seen.get(basename(path));
    return {
      makeDirectory: () => Promise.resolve(),
      list: () => Promise.resolve([...this.#seen.keys()]),
      readFile: (path) => Promise.resolve(at(path)?.seen),
      readAt: async (path, offset, length) => at(path)?.seen.slice(offset, offset + length) ?? none(path),
      create: async (path) => {
        await this.#failingStep();
        const inode: Inode = { seen: new Uint8Array(0), kept: new Uint8Array(0) };
        this.#rename((names) => names.set(basename(path), inode));
        return this.#file(inode);
      },
      rename: async (from, to) => {
        await this.#failingStep();
        const inode = at(from) ?? none(from);
        this.#rename((names) => {
          names.delete(basename(from));
          names.set(basename(to), inode);
        });
      },
      remove: async (path) => {
        await this.#step();
        this.#rename((names) => names.delete(basename(path)));
      },
      syncDirectory: async () => {
        await this.#failingStep();
        for (const change of this.#unsynced.splice(0)) change(this.#kept);
      },
    };
  }

  #file(inode: Inode): SpoolFile {
    return {
      write: async (bytes, offset) => {
        await this.#step();
        const isFailing = this.#random() < this.failing;
        const written = isFailing ? bytes.subarray(0, Math.floor(this.#random() * bytes.length)) : bytes;
        inode.seen = over(inode.seen, written, offset, () => true);
        const onTheWay = (): void => {
          const share = this.#random();
          const isKept = (): boolean => this.#random() < share;
          // Its new length may last without it, and some of it without its new length.
          const length = isKept() ? inode.seen.length : inode.kept.length;
          const kept = over(inode.kept, written, offset, isKept);
          inode.kept = over(new Uint8Array(length), kept.subarray(0, length), 0, () => true);
        };
        if (isFailing) {
          onTheWay();
          throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
        }
        await this.#step().catch((error: unknown) => {
          onTheWay();
          throw error;
        });
        inode.kept = inode.seen;
      },
      close: () => Promise.resolve(),
    };
  }
}

/** `base` with those sectors of `bytes` over it that `isKept` says; a sector is written whole or not. */
function over(base: Uint8Array, bytes: Uint8Array, offset: number, isKept: () => boolean): Uint8Array {
  const result = new Uint8Array(Math.max(base.length, offset + bytes.length));
  result.set(base);
  for (let from = 0; from < bytes.length;) {
    const to = Math.min(bytes.length, from + SECTOR - ((offset + from) % SECTOR));
    if (isKept()) result.set(bytes.subarray(from, to), offset + from);
    from = to;
  }
  return result;
}

function none(path: string): never {
  throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
}
