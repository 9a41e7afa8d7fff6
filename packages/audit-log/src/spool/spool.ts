/**
 * The local spool: what a service did, on its own disk before it goes on.
 *
 * Appends of a tick become one durable write (group commit); each promise resolves only after that. The
 * sequence has no gaps: a number is used only when its record is durable, and a failed one is used again.
 *
 * After a failed write the segment is never written again. A second one, or an fsync, that succeeds would prove nothing:
 * the kernel reports a lost page once and then calls it clean. What that segment had made durable before stays
 * readable; all waiting appends are rejected, and the next group goes to a new segment, whose own first write (and the
 * fsync of the folder) must succeed first. While it does not, every append is rejected: the caller refuses its work.
 *
 * One process at a time may open a folder; the lock of the state folder sees to that.
 */
import { join } from 'node:path';
import { AuditLogError } from '../errors.ts';
import { MAX_IDENTIFIER_LENGTH } from '../event/limits.ts';
import { VALUE } from '../event/values.ts';
import { nodeSpoolFs } from './node-fs.ts';
import { encodePosition } from './position.ts';
import { corrupt, lastSeq, POSITION_FILE, recover, segmentPath, writeSegment } from './recover.ts';
import type { Segment } from './recover.ts';
import {
  encodeGroup,
  encodeHeader,
  fileLength,
  groupLength,
  MAX_RECORD_BYTES,
  parseRecord,
  RECORD_OVERHEAD,
} from './segment.ts';
import type { AppendOptions, Spool, SpoolFile, SpoolFs, SpoolRange } from './types.ts';

export interface SpoolOptions {
  /** Absolute path; made (0700) when missing. */
  readonly directory: string;
  /** 1 to 255 visible ASCII characters. */
  readonly producer: string;
  /** Bound of what is not acknowledged yet, records and their overhead. Default 256 MiB. */
  readonly maxBytes?: number;
  /** Part of `maxBytes` that only `useReserve` appends may use. Default one sixteenth. */
  readonly reserveBytes?: number;
  /** A segment that has reached this size is followed by a new one. Default 8 MiB. */
  readonly segmentBytes?: number;
  readonly fs?: SpoolFs;
}

const MAX_GROUP_BYTES = 4 * 1024 * 1024;

interface Waiting {
  readonly body: Uint8Array;
  readonly resolve: (appended: { readonly seq: bigint }) => void;
  readonly reject: (error: AuditLogError) => void;
}

/**
 * Opens the spool, recovering what the last process left. Throws AuditLogError `spool_corrupt` (with file and offset)
 * when durable bytes have changed or are gone, `spool_mismatch` for another producer's folder; file errors as they are.
 */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const { directory, producer } = options;
  if (producer.length > MAX_IDENTIFIER_LENGTH || !VALUE.visibleAscii.test(producer)) {
    throw new RangeError(`a producer is 1 to ${MAX_IDENTIFIER_LENGTH} visible ASCII characters`);
  }
  const fs = options.fs ?? nodeSpoolFs();
  await fs.makeDirectory(directory);
  const { acknowledged, segments, active } = await recover(fs, directory, producer);
  const spool = new FileSpool(fs, options, acknowledged, segments, active);
  if (active === undefined) await spool.begin();
  return spool;
}

class FileSpool implements Spool {
  readonly producer: string;
  readonly #fs: SpoolFs;
  readonly #directory: string;
  readonly #maxBytes: number;
  readonly #reserveBytes: number;
  readonly #segmentBytes: number;
  readonly #segments: Segment[];
  readonly #listeners = new Set<() => void>();
  #active: SpoolFile | undefined;
  #acknowledged: bigint;
  #acknowledgeTarget: bigint;
  #acknowledging: Promise<void> | undefined;
  #head: bigint;
  #depthBytes = 0;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #closed = false;

  constructor(
    fs: SpoolFs,
    options: SpoolOptions,
    acknowledged: bigint,
    segments: Segment[],
    active: SpoolFile | undefined,
  ) {
    this.producer = options.producer;
    this.#fs = fs;
    this.#directory = options.directory;
    this.#maxBytes = options.maxBytes ?? 256 * 1024 * 1024;
    this.#reserveBytes = options.reserveBytes ?? Math.floor(this.#maxBytes / 16);
    this.#segmentBytes = options.segmentBytes ?? 8 * 1024 * 1024;
    this.#acknowledged = acknowledged;
    this.#acknowledgeTarget = acknowledged;
    this.#segments = segments;
    this.#active = active;
    const tail = segments.at(-1);
    this.#head = tail === undefined ? acknowledged : lastSeq(tail);
    this.#depthBytes = this.#bytesBetween(acknowledged, this.#head);
  }

  get floor(): bigint {
    return this.#acknowledged + 1n;
  }

  get head(): bigint {
    return this.#head;
  }

  get depthBytes(): number {
    return this.#depthBytes;
  }

  get full(): boolean {
    return this.#depthBytes + RECORD_OVERHEAD + 1 > this.#maxBytes - this.#reserveBytes;
  }

  begin(): Promise<void> {
    return this.#startSegment();
  }

  append(body: Uint8Array, options: AppendOptions = {}): Promise<{ readonly seq: bigint }> {
    if (this.#closed) return Promise.reject(closedError());
    if (body.length === 0 || body.length > MAX_RECORD_BYTES) {
      const what = `spool record of ${body.length} bytes; 1 to ${MAX_RECORD_BYTES} are possible`;
      return Promise.reject(new AuditLogError('too_large', what));
    }
    const size = body.length + RECORD_OVERHEAD;
    const limit = this.#maxBytes - (options.useReserve === true ? 0 : this.#reserveBytes);
    if (this.#depthBytes + size > limit) {
      const what = `the spool holds ${this.#depthBytes} of ${limit} bytes that audit-service has not acknowledged`;
      return Promise.reject(new AuditLogError('spool_full', what));
    }
    this.#depthBytes += size;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ body, resolve, reject });
      this.#writing ??= this.#writeWaiting();
    });
  }

  async read(from: bigint, maxBytes: number): Promise<SpoolRange> {
    if (this.#closed) throw closedError();
    const firstSeq = from < this.floor ? this.floor : from;
    const segment = this.#segments.findLast((candidate) => candidate.firstSeq <= firstSeq);
    if (firstSeq > this.#head || segment === undefined) return { firstSeq: this.#head + 1n, bodies: [] };
    const index = Number(firstSeq - segment.firstSeq);
    const start = segment.offsets[index];
    if (start === undefined) throw corrupt(segment.path, segment.end, `record ${firstSeq} is not there`);
    let count = 0;
    let end = start;
    while (index + count < segment.offsets.length) {
      const next = segment.offsets[index + count + 1] ?? segment.end;
      if (count > 0 && next - start - (count + 1) * RECORD_OVERHEAD > maxBytes) break;
      end = next;
      count += 1;
    }
    let bytes: Uint8Array;
    try {
      bytes = await this.#fs.readAt(segment.path, start, end - start);
    } catch (error) {
      if (this.floor > firstSeq) return this.read(this.floor, maxBytes); // acknowledged and removed meanwhile
      throw error;
    }
    const bodies: Uint8Array[] = [];
    for (let offset = 0; bodies.length < count;) {
      const record = parseRecord(bytes, offset);
      if (record === undefined || record.seq !== firstSeq + BigInt(bodies.length)) {
        throw corrupt(segment.path, start + offset, `record ${firstSeq + BigInt(bodies.length)} is damaged`);
      }
      bodies.push(record.body);
      offset = record.end;
    }
    return { firstSeq, bodies };
  }

  acknowledge(throughSeq: bigint): Promise<void> {
    if (this.#closed) return Promise.reject(closedError());
    if (throughSeq > this.#head) {
      const what = `${this.producer}: acknowledged through ${throughSeq}, but only ${this.#head} were ever durable here`;
      return Promise.reject(new AuditLogError('invalid_acknowledgement', what));
    }
    if (throughSeq > this.#acknowledgeTarget) this.#acknowledgeTarget = throughSeq;
    if (this.#acknowledgeTarget === this.#acknowledged) return Promise.resolve();
    this.#acknowledging ??= this.#persistAcknowledged();
    return this.#acknowledging;
  }

  onAppended(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#writing;
    await this.#acknowledging?.catch(() => undefined); // its caller hears of it
    await this.#active?.close();
    this.#active = undefined;
    await this.#writePosition(this.#acknowledged);
  }

  async #writeWaiting(): Promise<void> {
    await new Promise(setImmediate); // everything else of this tick joins the group
    for (let group = this.#takeGroup(); group.length > 0; group = this.#takeGroup()) {
      const firstSeq = this.#head + 1n;
      try {
        await this.#writeGroup(firstSeq, group);
      } catch (error) {
        await this.#abandonSegment();
        this.#rejectAll([...group, ...this.#waiting.splice(0)], error);
        continue;
      }
      for (const [i, { resolve }] of group.entries()) resolve({ seq: firstSeq + BigInt(i) });
      for (const listener of this.#listeners) queueMicrotask(listener); // theirs to fail, not ours
    }
    this.#writing = undefined;
  }

  #takeGroup(): Waiting[] {
    let bytes = 0;
    const count = this.#waiting.findIndex(({ body }) => (bytes += body.length) > MAX_GROUP_BYTES);
    return this.#waiting.splice(0, count === -1 ? this.#waiting.length : Math.max(count, 1));
  }

  async #writeGroup(firstSeq: bigint, group: readonly Waiting[]): Promise<void> {
    const current = this.#segments.at(-1);
    if (this.#active === undefined || current === undefined || current.end >= this.#segmentBytes) {
      await this.#startSegment();
    }
    const segment = this.#segments.at(-1);
    const active = this.#active;
    if (segment === undefined || active === undefined) throw closedError();
    const bodies = group.map(({ body }) => body);
    const length = groupLength(bodies);
    const grown = fileLength(segment.end + length);
    const isWithinFile = grown === fileLength(segment.end);
    const bytes = encodeGroup(firstSeq, bodies, isWithinFile ? length : grown - segment.end);
    await active.write(bytes, segment.end);
    for (const body of bodies) {
      segment.offsets.push(segment.end);
      segment.end += RECORD_OVERHEAD + body.length;
    }
    this.#head += BigInt(group.length);
  }

  async #startSegment(): Promise<void> {
    const firstSeq = this.#head + 1n;
    const header = encodeHeader(this.producer, firstSeq);
    const file = await writeSegment(this.#fs, this.#directory, firstSeq, header);
    await this.#active?.close().catch(() => undefined); // every byte of it is durable already
    this.#active = file;
    const path = segmentPath(this.#directory, firstSeq);
    // A segment that failed before its first record has the same name and was just replaced.
    if (this.#segments.at(-1)?.firstSeq === firstSeq) this.#segments.pop();
    this.#segments.push({ path, firstSeq, offsets: [], end: header.length });
  }

  async #abandonSegment(): Promise<void> {
    const failed = this.#active;
    this.#active = undefined;
    await failed?.close().catch(() => undefined); // the write's error is the one to report
  }

  #rejectAll(group: readonly Waiting[], cause: unknown): void {
    for (const { body, reject } of group) {
      this.#depthBytes -= body.length + RECORD_OVERHEAD;
      const what = `${this.#directory}: the record is not known to be on disk`;
      reject(new AuditLogError('spool_write_failed', what, { cause, file: this.#directory }));
    }
  }

  async #persistAcknowledged(): Promise<void> {
    try {
      while (this.#acknowledgeTarget > this.#acknowledged) {
        const target = this.#acknowledgeTarget;
        await this.#writePosition(target);
        this.#depthBytes -= this.#bytesBetween(this.#acknowledged, target);
        this.#acknowledged = target;
        await this.#removeAcknowledged();
      }
    } finally {
      this.#acknowledgeTarget = this.#acknowledged;
      this.#acknowledging = undefined;
    }
  }

  async #writePosition(acknowledged: bigint): Promise<void> {
    const path = join(this.#directory, POSITION_FILE);
    const file = await this.#fs.create(`${path}.tmp`);
    try {
      await file.write(encodePosition({ producer: this.producer, acknowledged, head: this.#head }), 0);
    } finally {
      await file.close();
    }
    await this.#fs.rename(`${path}.tmp`, path);
    await this.#fs.syncDirectory(this.#directory);
  }

  async #removeAcknowledged(): Promise<void> {
    for (;;) {
      const [oldest, next] = this.#segments;
      if (oldest === undefined || next === undefined || next.firstSeq > this.#acknowledged + 1n) return;
      this.#segments.shift();
      await this.#fs.remove(oldest.path).catch(() => undefined); // the next start removes it
    }
  }

  /** Bytes of the records after `low`, up to and including `high`. */
  #bytesBetween(low: bigint, high: bigint): number {
    let bytes = 0;
    for (const segment of this.#segments) {
      const offsetAfter = (seq: bigint): number => {
        const index = seq < segment.firstSeq ? 0 : Number(seq - segment.firstSeq) + 1;
        return segment.offsets[index] ?? segment.end;
      };
      bytes += offsetAfter(high) - offsetAfter(low);
    }
    return bytes;
  }
}

function closedError(): AuditLogError {
  return new AuditLogError('spool_closed', 'the spool is closed');
}
