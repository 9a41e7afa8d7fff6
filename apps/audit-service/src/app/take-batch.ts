/**
 * One delivery of a batch: into the log, or not, and why.
 *
 * A range that is missing is accepted only when the log itself says that it is lost: first the finding becomes a leaf,
 * then what comes after the gap. So at no moment is there a gap in the log that the log does not explain. (A gap of
 * this service's own sequence is the one exception: the finding that explains it can only come behind it.)
 *
 * A number that the log has already means the same event sent again, and that is compared, not believed: a spool that
 * was put back to an earlier state gives its numbers out twice, and its new events would be acknowledged as if they
 * were the old ones.
 */
import { entryOf, sequenceGapEvent } from '@sallyport/audit-log';
import { constantTimeEqual, leafHash } from '@sallyport/crypto';
import type { Log } from '@sallyport/service/log';
import { parseBatch, serviceOf, type Batch, type ParsedBatch } from '../domain/batch.ts';
import type { AwaitSequence } from './await-sequence.ts';
import type { Commit } from './group-commit.ts';
import type { LeafReader } from './ports.ts';
import type { ReportFinding } from './report-finding.ts';
import type { RecordedGaps } from './recorded-gaps.ts';

export type TakeBatchPorts = {
  readonly commit: Commit;
  readonly leaves: Pick<LeafReader, 'hashesOf'>;
  readonly awaitSequence: AwaitSequence;
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
  /** The service that the broker lets publish where the batch came from; undefined when that is nobody's place. */
  readonly sender: string | undefined;
  /** 1 for the first. A hint: a broker that lost its memory begins anew. */
  readonly deliveries: number;
};

/** The broker should deliver the batch again after its back-off. */
export class NotYet extends Error {
  override readonly name = 'NotYet';
}

/** How often a batch that is ahead of its producer's sequence is waited for before it is left to the producer's resend. */
const PATIENCE = 2;
/** The same for one that waits for the finding of its gap: a place in flight that it holds is one the finding cannot have. */
const GAP_PATIENCE = 4;

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
  if (await isForged(ports, batch, delivery.sender)) return;
  let taken = await ports.commit({ batch });
  if (taken.kind === 'ahead' && batch.floor < batch.firstSeq) {
    if (await ports.awaitSequence(batch.producer, taken.to)) taken = await ports.commit({ batch });
  }
  if (taken.kind !== 'ahead') {
    const repeated =
      taken.kind === 'duplicate' ? batch.bodies.length : Number(taken.fromSeq - batch.firstSeq);
    // Not acknowledged: what the log does not have must stay where it is.
    if (await isOtherThanLogged(ports, batch, repeated)) return;
    if (taken.kind === 'duplicate') await ports.onDuplicate(batch.producer, batch.lastSeq);
  } else if (batch.floor === batch.firstSeq) await takeAfterGap(ports, delivery, batch, taken);
  else if (delivery.deliveries <= PATIENCE)
    throw new NotYet(`${batch.producer}: ${taken.from} is not there yet`);
  else ports.log.debug('a batch ahead of its sequence is left to its producer', { producer: batch.producer });
}

/** Whether a batch says that it is another service's than the one that sent it; says so in a finding. */
async function isForged(
  ports: TakeBatchPorts,
  { producer }: Batch,
  sender: string | undefined,
): Promise<boolean> {
  if (sender === serviceOf(producer)) return false;
  await ports.reportFinding({
    finding: 'forged_batch',
    key: `forged_batch ${sender ?? 'nobody'} ${producer}`,
    title: "A service sent audit events in another's name",
    description: `${sender ?? 'A sender without a name'} sent a batch of ${producer}. It was dropped. Who has the sender's credentials for the bus?`,
    severity: 'critical',
  });
  return true;
}

/** Whether one of the first `repeated` events is not the one that the log has under its number; says so in a finding. */
async function isOtherThanLogged(ports: TakeBatchPorts, batch: Batch, repeated: number): Promise<boolean> {
  if (repeated <= 0) return false;
  const { producer, firstSeq } = batch;
  const logged = await ports.leaves.hashesOf(producer, firstSeq, firstSeq + BigInt(repeated) - 1n);
  const other = batch.bodies.slice(0, repeated).findIndex((body, i) => {
    const seq = firstSeq + BigInt(i);
    const hash = logged.get(seq);
    return hash !== undefined && !constantTimeEqual(hash, leafHash(entryOf({ producer, seq, body })));
  });
  if (other < 0) return false;
  await ports.reportFinding({
    finding: 'sequence_conflict',
    key: `sequence_conflict ${producer}`,
    title: 'A producer numbers its events anew',
    description: `${producer} sent another event as ${firstSeq + BigInt(other)} than the log has. Was its spool put back to an earlier state? Keep that folder and give the service a new one.`,
    severity: 'critical',
  });
  return true;
}

async function takeAfterGap(
  ports: TakeBatchPorts,
  { deliveries }: Delivery,
  batch: Batch,
  { from, to }: { readonly from: bigint; readonly to: bigint },
): Promise<void> {
  const { producer } = batch;
  const isOwn = producer === ports.ownProducer;
  if (!isOwn && (await ports.recordedGaps(producer, from, to))) {
    await ports.commit({ batch, lostThrough: to });
    return;
  }
  await ports.reportFinding({
    finding: 'sequence_gap',
    key: `sequence_gap ${producer} ${from} ${to}`,
    isUnique: true,
    event: (context) => sequenceGapEvent(context, { producer, fromSeq: from, toSeq: to }),
  });
  if (!isOwn && deliveries > GAP_PATIENCE) return;
  if (!isOwn) throw new NotYet(`${producer}: the loss of ${from} to ${to} is on its way into the log`);
  await ports.commit({ batch, lostThrough: to });
}
