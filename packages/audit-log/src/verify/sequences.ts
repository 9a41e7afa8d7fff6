/** Completeness: every producer's numbers without a gap, but for what the log itself records as lost. */
import { SEQUENCE_GAP_FINDING } from '../event/builders.ts';
import type { AuditEvent } from '../event/event.ts';
import type { Findings } from './findings.ts';
import type { ProducerRange } from './types.ts';

/** Only audit-service knows what never arrived; a gap that anyone else declares explains nothing. */
const GAP_RECORDER = /^spiffe:\/\/[^/]+\/svc\/audit-service$/;
const MAX_PRODUCERS = 100_000;
const MAX_GAPS = 10_000;

export class Sequences {
  readonly #findings: Findings;
  readonly #producers = new Map<string, { readonly firstSeq: bigint; lastSeq: bigint }>();
  readonly #gaps: (ProducerRange & { readonly leafIndex: number })[] = [];
  readonly #recorded: ProducerRange[] = [];

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  /** A leaf, in order. */
  saw(producer: string, seq: bigint, leafIndex: number): void {
    const known = this.#producers.get(producer);
    const expected = (known?.lastSeq ?? 0n) + 1n;
    if (seq < expected) {
      this.#report(producer, seq, leafIndex, `seq ${seq} again, after ${expected - 1n}`, REPEATED);
      return;
    }
    if (seq > expected) {
      const gap = { producer, firstSeq: expected, lastSeq: seq - 1n, leafIndex };
      if (this.#gaps.length < MAX_GAPS) this.#gaps.push(gap);
      else this.#reportGap(gap); // too many to hold: said at once, explained or not
    }
    if (known !== undefined) known.lastSeq = seq;
    else if (this.#producers.size < MAX_PRODUCERS)
      this.#producers.set(producer, { firstSeq: seq, lastSeq: seq });
    else this.#report(producer, seq, leafIndex, `more than ${MAX_PRODUCERS} producers`, UNFOLLOWED);
  }

  /** An event whose body fits the log, from this producer: a service's SPIFFE id, "#" and an instance. */
  recorded(event: AuditEvent, producer: string): void {
    if (event.type !== 'sallyport.audit.detection_finding' || !GAP_RECORDER.test(event.source)) return;
    if (producer.split('#')[0] !== event.source) return; // said in another's name
    const { finding, gap } = event.data.unmapped;
    if (finding !== SEQUENCE_GAP_FINDING || gap === undefined || this.#recorded.length >= MAX_GAPS) return;
    this.#recorded.push({
      producer: gap.producer,
      firstSeq: BigInt(gap.from_seq),
      lastSeq: BigInt(gap.to_seq),
    });
  }

  finish(): { readonly producers: ProducerRange[]; readonly recordedGaps: ProducerRange[] } {
    for (const gap of this.#gaps) {
      const firstSeq = this.#firstUnexplained(gap);
      if (firstSeq <= gap.lastSeq) this.#reportGap({ ...gap, firstSeq });
    }
    const producers = [...this.#producers].map(([producer, range]) => ({ producer, ...range }));
    return { producers, recordedGaps: this.#recorded };
  }

  #firstUnexplained(gap: ProducerRange): bigint {
    let next = gap.firstSeq;
    const explaining = this.#recorded
      .filter(({ producer }) => producer === gap.producer)
      .sort((a, b) => (a.firstSeq < b.firstSeq ? -1 : 1));
    for (const { firstSeq, lastSeq } of explaining)
      if (firstSeq <= next && lastSeq >= next) next = lastSeq + 1n;
    return next;
  }

  #reportGap(gap: ProducerRange & { readonly leafIndex: number }): void {
    const { producer, firstSeq, lastSeq, leafIndex } = gap;
    const range = firstSeq === lastSeq ? `seq ${firstSeq} is` : `seq ${firstSeq} to ${lastSeq} are`;
    this.#report(
      producer,
      firstSeq,
      leafIndex,
      `${range} missing, and no finding in the log says so`,
      MISSING,
    );
  }

  #report(producer: string, seq: bigint, leafIndex: number, what: string, next: string): void {
    this.#findings.add({
      kind: 'sequence',
      where: `producer ${producer}, at leaf ${leafIndex}`,
      what,
      next,
      producer,
      seq,
      leafIndex,
    });
  }
}

const MISSING =
  'Events were left out of the log before it was signed. Look for them in the spool of that producer; they cannot be put back in place.';
const REPEATED = 'An event was taken twice or out of order: audit-service did not deduplicate.';
const UNFOLLOWED = 'Their sequences are not followed; check this log in parts.';
