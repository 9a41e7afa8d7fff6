/** What the log itself says is lost of a producer's sequence. */
import { decodeEvent, SEQUENCE_GAP_FINDING } from '@sallyport/audit-log';
import { START, type RecordFilter } from '../domain/leaf.ts';
import type { RecordReader } from './ports.ts';

/** Whether findings of this service in the log cover all of `from` to `to`. */
export type RecordedGaps = (producer: string, from: bigint, to: bigint) => Promise<boolean>;

type Range = { readonly from: bigint; readonly to: bigint };

const PAGE = 500;

export function recordedGaps(
  records: Pick<RecordReader, 'query' | 'bodies'>,
  serviceId: string,
): RecordedGaps {
  async function rangesOf(producer: string): Promise<Range[]> {
    // A finding's row names its producer as destination (packages/audit-log, recordsOf).
    const filter: RecordFilter = { action: SEQUENCE_GAP_FINDING, destination: producer, joinOutcomes: false };
    const ranges: Range[] = [];
    for (let after = START; ;) {
      const page = await records.query(filter, after, PAGE);
      // In another's name it explains nothing: the verifier sees it so too.
      const own = page.filter((found) => found.producer.split('#')[0] === serviceId);
      const bodies = await records.bodies(own.map(({ leafIndex }) => leafIndex));
      for (const body of bodies.values()) {
        const range = rangeOf(body, producer);
        if (range !== undefined) ranges.push(range);
      }
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return ranges;
      after = last;
    }
  }

  return async (producer, from, to) => {
    const ranges = await rangesOf(producer);
    let next = from;
    for (const range of ranges.toSorted((a, b) => (a.from < b.from ? -1 : 1))) {
      if (range.from <= next && range.to >= next) next = range.to + 1n;
    }
    return next > to;
  };
}

function rangeOf(body: Uint8Array, producer: string): Range | undefined {
  const decoded = decodeEvent(body);
  if (!decoded.ok || decoded.event.type !== 'sallyport.audit.detection_finding') return undefined;
  const { finding, gap } = decoded.event.data.unmapped;
  if (finding !== SEQUENCE_GAP_FINDING || gap?.producer !== producer) return undefined;
  return { from: BigInt(gap.from_seq), to: BigInt(gap.to_seq) };
}
