/**
 * One delivery of a batch: into the log, or not, and why.
 *
 * A range that is missing is accepted only when the log itself says that it is lost: first the finding becomes a leaf,
 * then what comes after the gap. So at no moment is there a gap in the log that the log does not explain. (A gap of
 * this service's own sequence is the one exception: the finding that explains it can only come behind it.)
 */
import { sequenceGapEvent } from '@sallyport/audit-log';
import type { Log } from '@sallyport/service/log';
import { parseBatch, type Batch, type ParsedBatch } from '../domain/batch.ts';
import type { Commit } from './group-commit.ts';
import type { ReportFinding } from './report-finding.ts';
import type { RecordedGaps } from './recorded-gaps.ts';

export type TakeBatchPorts = {
  readonly commit: Commit;
  readonly recordedGaps: RecordedGaps;
  readonly reportFinding: ReportFinding;
  /** All of the batch was committed before: its producer may have missed the acknowledgement. */
  readonly onDuplicate: (producer: string, lastSeq: bigint) => Promise<void>;
  /** This service's own producer. */
  readonly ownProducer: string;
  readonly trustDomain: string;
  readonly log: Log;
};

export type Delivery = {
  /** Undefined when the payload was no batch at all. */
  readonly input: Parameters<typeof parseBatch>[0] | undefined;
  /** 1 for the first. */
  readonly deliveries: number;
};

/** The broker should deliver the batch again after its back-off. */
export class NotYet extends Error {
  override readonly name = 'NotYet';
}

/** How often a batch that is ahead of its producer's sequence is waited for before it is left to the producer's resend. */
const PATIENCE = 2;

/** Resolves when the batch is committed or will never be: the broker may forget it. Rejects for another delivery. */
export async function takeBatch(ports: TakeBatchPorts, delivery: Delivery): Promise<void> {
  const parsed: ParsedBatch =
    delivery.input === undefined
      ? { ok: false, problem: 'unreadable' }
      : parseBatch(delivery.input, ports.trustDomain);
  if (!parsed.ok) {
    await ports.reportFinding({
      finding: 'poison_batch',
      key: `poison_batch ${parsed.problem}`,
      title: 'A batch of audit events could not be taken',
      description: `Its ${parsed.problem.replaceAll('_', ' ')} is not acceptable. It was dropped; no other waits for it.`,
      severity: 'high',
    });
    return;
  }
  const { batch } = parsed;
  const taken = await ports.commit({ batch });
  if (taken.kind === 'duplicate') await ports.onDuplicate(batch.producer, batch.lastSeq);
  if (taken.kind !== 'ahead') return;
  if (batch.floor === batch.firstSeq) await takeAfterGap(ports, batch, taken.from, taken.to);
  else if (delivery.deliveries <= PATIENCE)
    throw new NotYet(`${batch.producer}: ${taken.from} is not there yet`);
  else ports.log.debug('a batch ahead of its sequence is left to its producer', { producer: batch.producer });
}

async function takeAfterGap(ports: TakeBatchPorts, batch: Batch, from: bigint, to: bigint): Promise<void> {
  const { producer } = batch;
  const isOwn = producer === ports.ownProducer;
  if (!isOwn && (await ports.recordedGaps(producer, from, to))) {
    await ports.commit({ batch, lostThrough: to });
    return;
  }
  await ports.reportFinding({
    finding: 'sequence_gap',
    key: `sequence_gap ${producer} ${from} ${to}`,
    event: (context) => sequenceGapEvent(context, { producer, fromSeq: from, toSeq: to }),
  });
  if (!isOwn) throw new NotYet(`${producer}: the loss of ${from} to ${to} is on its way into the log`);
  await ports.commit({ batch, lostThrough: to });
}
