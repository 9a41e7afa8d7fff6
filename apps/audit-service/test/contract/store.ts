/** What every store of audit-service promises. */
import { encodeEvent } from '@sallyport/audit-log';
import { sha256 } from '@sallyport/crypto';
import { describe, expect, test } from 'vitest';
import { LogShrunk } from '../../src/app/ports.ts';
import { START, type Position, type RecordFilter } from '../../src/domain/leaf.ts';
import { planCommit, type Head } from '../../src/domain/plan-commit.ts';
import type { AuditStore } from '../../src/store/store.ts';
import { checkpointOf, takeOver, tree } from './fence.ts';
import {
  auth,
  batchOf,
  callBody,
  decisionEvent,
  gateway,
  operationBodies,
  outcomeEvent,
} from '../support.ts';

const all: RecordFilter = { joinOutcomes: false };

async function put(store: AuditStore, producer: string, firstSeq: bigint, bodies: readonly Uint8Array[]) {
  await store.writer.commit([producer], (head) =>
    planCommit(head, [{ batch: batchOf(producer, firstSeq, bodies) }]),
  );
}

/** Six leaves: a call, a decision of three messages, another call, the outcome of the first two, two calls of auth. */
async function filled(store: AuditStore): Promise<AuditStore> {
  await put(store, gateway, 1n, [
    callBody(1),
    encodeEvent(decisionEvent(2, 1, 3)),
    callBody(3, 'user:bob'),
    encodeEvent(outcomeEvent(4, 1, 2, 'failure')),
  ]);
  await put(store, auth, 1n, [callBody(5), callBody(6)]);
  return store;
}

export function storeContract(name: string, fresh: () => Promise<AuditStore>): void {
  describe(`store: ${name}`, () => {
    test('is empty at first', async () => {
      const store = await fresh();
      let seen: Head | undefined;
      await store.writer.commit([gateway], (head) => {
        seen = head;
        return { leaves: [], taken: [] };
      });
      expect(seen).toEqual({ size: 0, positions: new Map() });
      expect(await store.leaves.size()).toBe(0);
      expect(await store.leaves.hashes(0, 10)).toEqual([]);
      expect(await store.checkpoints.saved()).toBeUndefined();
      expect(await store.records.query(all, START, 10)).toEqual([]);
    });

    test('gives the planner size and positions, and keeps what it plans', async () => {
      const store = await filled(await fresh());
      let seen: Head | undefined;
      await store.writer.commit([gateway, auth, 'nobody'], (head) => {
        seen = head;
        return { leaves: [], taken: [] };
      });
      expect(seen).toEqual({
        size: 6,
        positions: new Map([
          [gateway, 4n],
          [auth, 2n],
        ]),
      });
      const leaves = await store.leaves.leaves({ from: 0, to: 100, limit: 100, maxBytes: 1e9 });
      expect(leaves.map(({ index, producer, seq }) => [index, producer, seq])).toEqual([
        [0, gateway, 1n],
        [1, gateway, 2n],
        [2, gateway, 3n],
        [3, gateway, 4n],
        [4, auth, 1n],
        [5, auth, 2n],
      ]);
      expect(leaves[5]?.body).toEqual(callBody(6));
      expect((await store.leaves.hashes(4, 10)).map(({ index }) => index)).toEqual([4, 5]);
      expect((await store.leaves.hashes(0, 2)).map(({ leafHash }) => leafHash)).toEqual(
        leaves.slice(0, 2).map(({ leafHash }) => leafHash),
      );
    });

    test('stores nothing when the planner throws', async () => {
      const store = await fresh();
      const refuse = () => {
        throw new Error('no');
      };
      await expect(store.writer.commit([gateway], refuse)).rejects.toThrow('no');
      await put(store, gateway, 1n, [callBody(1)]);
      expect(await store.leaves.size()).toBe(1);
    });

    test('lets one writer plan at a time', async () => {
      const store = await fresh();
      const producers = Array.from({ length: 8 }, (_, i) => `${gateway}${i}`);
      await Promise.all(producers.map((producer) => put(store, producer, 1n, [callBody(1), callBody(2)])));
      const leaves = await store.leaves.leaves({ from: 0, to: 100, limit: 100, maxBytes: 1e9 });
      expect(leaves.map(({ index }) => index)).toEqual(Array.from({ length: 16 }, (_, i) => i));
      expect(new Set(leaves.map(({ producer, seq }) => `${producer} ${seq}`)).size).toBe(16);
    });

    test('refuses to write behind a checkpoint that covers more than there is', async () => {
      const store = await filled(await fresh());
      expect(await checkpointOf(store, await takeOver(store, 'a'), tree(7))).toBe(true);
      await expect(put(store, gateway, 5n, [callBody(7)])).rejects.toThrow(LogShrunk);
      expect(await store.leaves.size()).toBe(6);
    });

    test('reads leaves by number and bytes, at least one', async () => {
      const store = await filled(await fresh());
      const read = async (range: { from: number; to: number; limit: number; maxBytes: number }) =>
        (await store.leaves.leaves(range)).map(({ index }) => index);
      expect(await read({ from: 1, to: 3, limit: 100, maxBytes: 1e9 })).toEqual([1, 2]);
      expect(await read({ from: 0, to: 6, limit: 2, maxBytes: 1e9 })).toEqual([0, 1]);
      expect(await read({ from: 2, to: 6, limit: 9, maxBytes: 0 })).toEqual([2]);
      expect(await read({ from: 6, to: 9, limit: 9, maxBytes: 1e9 })).toEqual([]);
    });

    test('reads what entries are made of', async () => {
      const store = await filled(await fresh());
      const leaves = await store.leaves.leaves({ from: 0, to: 100, limit: 100, maxBytes: 1e9 });
      const expected = leaves.map(({ index, producer, seq, leafHash, body }) => ({
        index,
        producer,
        seq,
        leafHash,
        bodyDigest: sha256(body),
      }));
      expect(await store.seals.sealed(0, 100)).toEqual(expected);
      expect(await store.seals.sealed(4, 1)).toEqual(expected.slice(4, 5));
      expect(await store.seals.sealed(6, 9)).toEqual([]);
    });

    test('knows how far each producer is', async () => {
      const store = await filled(await fresh());
      expect(await store.leaves.progress(0, 6)).toEqual(
        new Map([
          [gateway, 4n],
          [auth, 2n],
        ]),
      );
      expect(await store.leaves.progress(2, 4)).toEqual(new Map([[gateway, 4n]]));
      expect(await store.leaves.progress(6, 6)).toEqual(new Map());
      expect(await store.leaves.position(gateway, 2)).toBe(2n);
      expect(await store.leaves.position(auth, 5)).toBe(1n);
      expect(await store.leaves.position(auth, 4)).toBe(0n);
    });

    test('knows the leaf hash of a producer’s event', async () => {
      const store = await filled(await fresh());
      const hashes = (await store.leaves.hashes(0, 6)).map(({ leafHash }) => leafHash);
      expect(await store.leaves.hashesOf(gateway, 2n, 3n)).toEqual(
        new Map([
          [2n, hashes[1]],
          [3n, hashes[2]],
        ]),
      );
      expect(await store.leaves.hashesOf(auth, 2n, 9n)).toEqual(new Map([[2n, hashes[5]]]));
    });

    test.each<[string, RecordFilter, [number, number][]]>([
      [
        'nothing',
        all,
        [
          [0, 0],
          [1, 0],
          [1, 1],
          [1, 2],
          [2, 0],
          [3, 0],
          [3, 1],
          [4, 0],
          [5, 0],
        ],
      ],
      [
        'since',
        { ...all, sinceMs: 1_700_000_000_005 },
        [
          [4, 0],
          [5, 0],
        ],
      ],
      ['until, exclusive', { ...all, untilMs: 1_700_000_000_002 }, [[0, 0]]],
      ['principal', { ...all, principal: 'user:bob' }, [[2, 0]]],
      [
        'action',
        { ...all, action: 'policy.read' },
        [
          [0, 0],
          [2, 0],
          [4, 0],
          [5, 0],
        ],
      ],
      [
        'destination',
        { ...all, destination: 'echo' },
        [
          [1, 0],
          [1, 1],
          [1, 2],
          [3, 0],
          [3, 1],
        ],
      ],
      [
        'decision',
        { ...all, decision: 'allow' },
        [
          [1, 0],
          [1, 1],
          [1, 2],
        ],
      ],
      [
        'outcome',
        { ...all, outcome: 'failure' },
        [
          [3, 0],
          [3, 1],
        ],
      ],
      [
        'session',
        { ...all, sessionId: 'aa'.repeat(16) },
        [
          [1, 0],
          [1, 1],
          [1, 2],
          [3, 0],
          [3, 1],
        ],
      ],
      [
        'correlation',
        { ...all, correlation: '0'.repeat(31) + '2' },
        [
          [1, 1],
          [3, 1],
        ],
      ],
      [
        'two at once',
        { ...all, destination: 'echo', outcome: 'failure' },
        [
          [3, 0],
          [3, 1],
        ],
      ],
      [
        'joined',
        { joinOutcomes: true },
        [
          [0, 0],
          [1, 0],
          [1, 1],
          [1, 2],
          [2, 0],
          [4, 0],
          [5, 0],
        ],
      ],
      [
        'joined, by outcome',
        { joinOutcomes: true, outcome: 'failure' },
        [
          [1, 0],
          [1, 1],
        ],
      ],
      [
        'joined, by outcome of a call',
        { joinOutcomes: true, outcome: 'success' },
        [
          [0, 0],
          [2, 0],
          [4, 0],
          [5, 0],
        ],
      ],
    ])('finds records by %s', async (_what, filter, expected) => {
      const store = await filled(await fresh());
      const found = await store.records.query(filter, START, 100);
      expect(found.map(({ leafIndex, item }) => [leafIndex, item])).toEqual(expected);
    });

    test.each(['files/read', 'a\0b\\', 'x'.repeat(255), 'größe'])(
      'finds records by the target %j, of decision and outcome',
      async (target) => {
        const store = await filled(await fresh());
        const digest = 'cd'.repeat(32);
        const named = (name: string) => operationBodies(60, { target: name, argumentsDigest: digest });
        await put(store, gateway, 5n, [...named(target), ...named(`${target}2`.slice(-200))]);
        const found = await store.records.query({ ...all, target }, START, 100);
        expect(found.map(({ phase, leafIndex }) => [phase, leafIndex])).toEqual([
          ['decision', 6],
          ['outcome', 7],
        ]);
        expect(found[0]).toMatchObject({ target, argumentsDigest: digest, destination: 'mcp/files' });
        const joined = await store.records.query({ joinOutcomes: true, target }, START, 100);
        expect(joined).toMatchObject([{ target, outcome: 'success', outcomeLeafIndex: 7 }]);
        const others = await store.records.query({ ...all, destination: 'echo' }, START, 1);
        expect(others).toMatchObject([{ target: '', argumentsDigest: '' }]);
      },
    );

    test('a decision carries its outcome and the leaf of it', async () => {
      const store = await filled(await fresh());
      const found = await store.records.query({ joinOutcomes: true, destination: 'echo' }, START, 100);
      expect(found.map(({ seq, outcome, outcomeLeafIndex }) => [seq, outcome, outcomeLeafIndex])).toEqual([
        [1n, 'failure', 3],
        [2n, 'failure', 3],
        [3n, '', undefined],
      ]);
      expect(found[0]).toMatchObject({
        producer: gateway,
        producerSeq: 2n,
        decision: 'allow',
        policyRevision: '7',
      });
    });

    test('an outcome that is overdue is unknown, and one that never comes to a denial is not', async () => {
      const store = await filled(await fresh());
      await put(store, gateway, 5n, [
        encodeEvent(decisionEvent(7, 9, 1, 'echo', 'deny')),
        encodeEvent(outcomeEvent(8, 1, 1, 'unknown')), // again: the first one counts
        encodeEvent(decisionEvent(9, 10, 1)),
        encodeEvent(outcomeEvent(10, 10, 1, 'unknown')),
        encodeEvent(decisionEvent(11, 11, 1)),
      ]);
      const unknown = async (overdueBeforeMs?: number): Promise<(bigint | undefined)[]> => {
        const when = overdueBeforeMs === undefined ? {} : { overdueBeforeMs };
        const filter = { joinOutcomes: true, outcome: 'unknown', ...when };
        return (await store.records.query(filter, START, 100)).map(({ seq }) => seq);
      };
      const [lost] = await store.records.query(
        { joinOutcomes: true, correlation: '0'.repeat(31) + '3' },
        START,
        1,
      );
      if (lost === undefined) throw new Error('no decision without outcome');
      expect(await unknown()).toEqual([10n]);
      expect(await unknown(lost.timeMs)).toEqual([10n]);
      expect(await unknown(lost.timeMs + 1)).toEqual([3n, 10n]);
      expect(await unknown(lost.timeMs + 3_600_000)).toEqual([3n, 10n, 11n]);
      const failed = { joinOutcomes: true, outcome: 'failure', overdueBeforeMs: lost.timeMs + 1 };
      expect((await store.records.query(failed, START, 100)).map(({ seq }) => seq)).toEqual([1n, 2n]);
    });

    test('a denial is refused, whatever became of the message that it repeats', async () => {
      const store = await filled(await fresh());
      await put(store, gateway, 5n, [encodeEvent(decisionEvent(7, 1, 1, 'echo', 'deny'))]);
      const found = await store.records.query({ joinOutcomes: true, decision: 'deny' }, START, 100);
      expect(found.map(({ seq, outcome, outcomeLeafIndex }) => [seq, outcome, outcomeLeafIndex])).toEqual([
        [1n, 'refused', undefined],
      ]);
      const refused = await store.records.query({ joinOutcomes: true, outcome: 'refused' }, START, 100);
      expect(refused).toEqual(found);
    });

    test('pages begin after a position', async () => {
      const store = await filled(await fresh());
      const seen: Position[] = [];
      for (let after = START; ;) {
        const [next] = await store.records.query(all, after, 1);
        if (next === undefined) break;
        seen.push({ leafIndex: next.leafIndex, item: next.item });
        after = next;
      }
      expect(seen).toHaveLength(9);
    });

    test('gives back rows and bodies of leaves', async () => {
      const store = await filled(await fresh());
      const rows = await store.records.ofLeaves([1, 4, 99]);
      expect([...rows].map(([leaf, records]) => [leaf, records.map(({ item }) => item)])).toEqual([
        [1, [0, 1, 2]],
        [4, [0]],
      ]);
      expect(await store.records.bodySizes([4, 99])).toEqual(new Map([[4, callBody(5).length]]));
      expect(await store.records.bodies([4, 99])).toEqual(new Map([[4, callBody(5)]]));
      expect([await store.records.ofLeaves([]), await store.records.bodies([])]).toEqual([
        new Map(),
        new Map(),
      ]);
    });

    test.each([
      ['control characters', '\0\u0001\\0\\'],
      ['other scripts', '目的地🚪'],
    ])('a destination of %s is stored and found', async (_what, destination) => {
      const store = await fresh();
      await put(store, gateway, 1n, [encodeEvent(decisionEvent(1, 1, 1, destination))]);
      const found = await store.records.query({ joinOutcomes: false, destination }, START, 10);
      expect(found.map((record) => record.destination)).toEqual([destination]);
    });

    test('the largest sequence of a channel survives', async () => {
      const store = await fresh();
      const event = decisionEvent(1, 1, 1);
      const text = new TextDecoder()
        .decode(encodeEvent(event))
        .replace('"seq":"1"', '"seq":"18446744073709551615"');
      await put(store, gateway, 1n, [new TextEncoder().encode(text)]);
      expect((await store.records.query(all, START, 10)).map(({ seq }) => seq)).toEqual([(1n << 64n) - 1n]);
    });

    test.each([
      ['nothing', new Uint8Array()],
      ['noise', Uint8Array.of(0, 255, 1, 254)],
    ])('a body of %s is kept, with a row that says so', async (_what, body) => {
      const store = await fresh();
      await put(store, gateway, 1n, [body]);
      expect((await store.records.bodies([0])).get(0)).toEqual(body);
      expect((await store.records.query(all, START, 10)).map(({ activity }) => activity)).toEqual([
        'undecodable',
      ]);
    });
  });
}
