/** A batch of one producer's events, as valid as anyone can tell before knowing what came before it. */
import { parseSpiffeId } from '@sallyport/service/identity';
import { MAX_BATCH_EVENTS, MAX_BODY_BYTES, MAX_PRODUCER_SEQ } from './limits.ts';

export type Batch = {
  readonly producer: string;
  readonly firstSeq: bigint;
  readonly lastSeq: bigint;
  /** The lowest sequence the producer can still send. */
  readonly floor: bigint;
  readonly bodies: readonly Uint8Array[];
};

export type BatchInput = Omit<Batch, 'lastSeq'>;

export type ParsedBatch =
  | { readonly ok: true; readonly batch: Batch }
  /** `problem` is one of a closed set. */
  | { readonly ok: false; readonly problem: BatchProblem };

export type BatchProblem =
  'unreadable' | 'producer' | 'sequence' | 'floor' | 'empty' | 'too_many_events' | 'body_size';

/** What `startAuditTrail` makes: a service's SPIFFE id and the hex digits that its folder got. */
const INSTANCE = /^[0-9a-f]{1,64}$/;

export function parseBatch(input: BatchInput, trustDomain: string): ParsedBatch {
  const { producer, firstSeq, floor, bodies } = input;
  const refuse = (problem: BatchProblem): ParsedBatch => ({ ok: false, problem });
  if (!isProducerOf(producer, trustDomain)) return refuse('producer');
  if (bodies.length === 0) return refuse('empty');
  if (bodies.length > MAX_BATCH_EVENTS) return refuse('too_many_events');
  if (bodies.some((body) => body.length > MAX_BODY_BYTES)) return refuse('body_size');
  const lastSeq = firstSeq + BigInt(bodies.length) - 1n;
  if (firstSeq < 1n || lastSeq > MAX_PRODUCER_SEQ) return refuse('sequence');
  if (floor < 1n) return refuse('floor');
  // A floor that rose while the batch was being read tells nothing about what lies before the batch.
  return {
    ok: true,
    batch: { producer, firstSeq, lastSeq, floor: floor < firstSeq ? floor : firstSeq, bodies },
  };
}

/** The name of the service that a valid producer belongs to. */
export function serviceOf(producer: string): string | undefined {
  return parseSpiffeId(producer.split('#', 1)[0] ?? '')?.name;
}

/** One of our services, of this trust domain, with its instance. */
export function isProducerOf(producer: string, trustDomain: string): boolean {
  const at = producer.indexOf('#');
  if (at < 0 || producer.length > 255 || !INSTANCE.test(producer.slice(at + 1))) return false;
  const id = parseSpiffeId(producer.slice(0, at));
  return id?.kind === 'svc' && id.trustDomain === trustDomain;
}
