import { encodeEvent, sequenceGapEvent } from '@sallyport/audit-log';
import { memoryLog } from '@sallyport/service/testing';
import { expect, test } from 'vitest';
import { auth, batchOf, callBody, gateway, trustDomain } from '../../test/support.ts';
import { serviceOf } from '../domain/batch.ts';
import type { Offer } from '../domain/plan-commit.ts';
import { memoryStore } from '../store/memory.ts';
import { groupCommit } from './group-commit.ts';
import { recordedGaps } from './recorded-gaps.ts';
import type { Finding } from './report-finding.ts';
import { NotYet, takeBatch, type Delivery, type TakeBatchPorts } from './take-batch.ts';

const serviceId = `spiffe://${trustDomain}/svc/audit-service`;
const own = `${serviceId}#0a`;

function setUp() {
  const store = memoryStore();
  const findings: Finding[] = [];
  const offers: Offer[] = [];
  const duplicates: string[] = [];
  /** What another replica does while a batch waits here. */
  let elsewhere = async (): Promise<void> => undefined;
  const commit = groupCommit({ writer: store.writer, onCommitted: () => undefined });
  const ports: TakeBatchPorts = {
    commit: (offer) => {
      offers.push(offer);
      return commit(offer);
    },
    leaves: store.leaves,
    awaitSequence: async (producer, seq) => {
      await elsewhere();
      return (await store.leaves.position(producer, Number.MAX_SAFE_INTEGER)) >= seq;
    },
    recordedGaps: recordedGaps(store.records, serviceId),
    reportFinding: async (finding) => void findings.push(finding),
    onDuplicate: async (producer) => void duplicates.push(producer),
    ownProducer: own,
    trustDomain,
    log: memoryLog(),
  };
  const seqs = async (producer: string) =>
    (await store.leaves.leaves({ from: 0, to: 99, limit: 99, maxBytes: 1e9 }))
      .filter((leaf) => leaf.producer === producer)
      .map(({ seq }) => seq);
  const deliver = (producer: string, firstSeq: bigint, floor = 1n, deliveries = 1) =>
    takeBatch(ports, {
      input: batchOf(producer, firstSeq, [callBody(1)], floor),
      sender: serviceOf(producer),
      deliveries,
    });
  const explain = (by: string, seq: bigint, fromSeq: bigint, toSeq: bigint) => {
    const context = { id: 'gap', timeMs: 1, source: by.split('#')[0] ?? '', tenant: 'default' };
    const body = encodeEvent(sequenceGapEvent(context, { producer: gateway, fromSeq, toSeq }));
    return takeBatch(ports, {
      input: batchOf(by, seq, [body], 1n),
      sender: serviceOf(by),
      deliveries: 1,
    });
  };
  const take = (delivery: Delivery) => takeBatch(ports, delivery);
  const meanwhile = (work: () => Promise<void>) => void (elsewhere = work);
  return { findings, offers, duplicates, seqs, deliver, explain, take, meanwhile };
}

test('a lost range: reported, not taken, until the log itself says that it is lost', async () => {
  const { findings, seqs, deliver, explain } = setUp();
  await deliver(gateway, 1n);
  await expect(deliver(gateway, 5n, 5n)).rejects.toThrow(NotYet);
  expect(findings.map(({ key }) => key)).toEqual([`sequence_gap ${gateway} 2 4`]);
  expect(await seqs(gateway)).toEqual([1n]);
  await explain(own, 1n, 2n, 4n);
  await deliver(gateway, 5n, 5n);
  expect(await seqs(gateway)).toEqual([1n, 5n]);
});

test.each([
  ['covers less', own, 2n, 3n],
  ['begins later', own, 3n, 4n],
  ['is another service’s', auth, 2n, 4n],
])('an explanation that %s explains nothing', async (_what, by, from, to) => {
  const { seqs, deliver, explain } = setUp();
  await deliver(gateway, 1n);
  await explain(by, 1n, from, to);
  await expect(deliver(gateway, 5n, 5n)).rejects.toThrow(NotYet);
  expect(await seqs(gateway)).toEqual([1n]);
});

test('two explanations may cover a range together', async () => {
  const { seqs, deliver, explain } = setUp();
  await explain(own, 1n, 3n, 4n);
  await explain(own, 2n, 1n, 2n);
  await deliver(gateway, 5n, 5n);
  expect(await seqs(gateway)).toEqual([5n]);
});

test('a gap of this service itself is reported and taken at once', async () => {
  const { findings, seqs, deliver } = setUp();
  await deliver(own, 5n, 5n);
  expect(findings).toHaveLength(1);
  expect(await seqs(own)).toEqual([5n]);
});

test('a batch that is only early is asked for again, and then left to its producer', async () => {
  const { findings, seqs, deliver } = setUp();
  await expect(deliver(gateway, 5n, 1n, 1)).rejects.toThrow(NotYet);
  await expect(deliver(gateway, 5n, 1n, 2)).rejects.toThrow(NotYet);
  await deliver(gateway, 5n, 1n, 3);
  expect(await seqs(gateway)).toEqual([]);
  expect(findings).toEqual([]);
});

test('a floor that leaves part of the range possible waits for that part', async () => {
  const { findings, deliver } = setUp();
  await expect(deliver(gateway, 5n, 4n)).rejects.toThrow(NotYet);
  expect(findings).toEqual([]);
});

test('a duplicate is told of, for its acknowledgement', async () => {
  const { duplicates, seqs, deliver } = setUp();
  await deliver(gateway, 1n);
  await deliver(gateway, 1n);
  expect(duplicates).toEqual([gateway]);
  expect(await seqs(gateway)).toEqual([1n]);
});

test('a number given out twice is a finding, and what the log does not have is not acknowledged', async () => {
  const { duplicates, findings, seqs, take } = setUp();
  const send = (firstSeq: bigint, ...texts: number[]) =>
    take({
      input: batchOf(
        gateway,
        firstSeq,
        texts.map((n) => callBody(n)),
        1n,
      ),
      sender: 'gateway',
      deliveries: 1,
    });
  await send(1n, 1, 2);
  await send(2n, 99);
  expect(findings.map(({ key }) => key)).toEqual([`sequence_conflict ${gateway}`]);
  expect(duplicates).toEqual([]);
  await send(1n, 1, 98, 3); // what follows is taken: a stopped sequence would help nobody
  expect(findings).toHaveLength(2);
  expect(await seqs(gateway)).toEqual([1n, 2n, 3n]);
  await send(2n, 2, 3);
  expect(duplicates).toEqual([gateway]);
  expect(findings).toHaveLength(2);
});

test('a batch behind a gap does not hold its place for ever: the finding it waits for needs one', async () => {
  const { seqs, deliver } = setUp();
  for (const deliveries of [1, 2, 3, 4])
    await expect(deliver(gateway, 5n, 5n, deliveries)).rejects.toThrow(NotYet);
  await deliver(gateway, 5n, 5n, 5);
  expect(await seqs(gateway)).toEqual([]);
});

test.each([
  ['no batch', undefined],
  ['of nobody', batchOf('nobody', 1n, [callBody(1)])],
])('poison (%s) is reported and forgotten', async (_what, input) => {
  const { findings, offers, take } = setUp();
  await take({ input, sender: 'gateway', deliveries: 1 });
  expect(findings.map(({ finding }) => finding)).toEqual(['poison_batch']);
  expect(offers).toEqual([]);
});

test.each([['key-service'], ['audit-service'], [undefined]])(
  'a batch of the gateway that %s sent is reported, dropped and not asked for again',
  async (sender) => {
    const { findings, offers, take } = setUp();
    const input = batchOf(gateway, 1n, [callBody(1)]);
    await take({ input, sender, deliveries: 1 });
    expect(findings.map(({ key }) => key)).toEqual([`forged_batch ${sender ?? 'nobody'} ${gateway}`]);
    expect(offers).toEqual([]);
    await take({ input, sender: 'gateway', deliveries: 1 });
    expect(offers).toHaveLength(1);
  },
);

test('a batch whose predecessor another replica is just committing is taken with the same delivery', async () => {
  const { seqs, deliver, meanwhile } = setUp();
  await deliver(gateway, 1n);
  meanwhile(async () => {
    meanwhile(async () => undefined);
    await deliver(gateway, 2n);
  });
  await deliver(gateway, 3n);
  expect(await seqs(gateway)).toEqual([1n, 2n, 3n]);
});
