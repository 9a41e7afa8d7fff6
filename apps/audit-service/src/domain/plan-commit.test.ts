import { entryOf } from '@sallyport/audit-log';
import { leafHash, utf8 } from '@sallyport/crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Batch } from './batch.ts';
import { planCommit, type Head } from './plan-commit.ts';

const empty: Head = { size: 0, positions: new Map() };
const body = (producer: string, seq: bigint) => utf8(`${producer} ${seq}`);

function batch(producer: string, firstSeq: bigint, count: number): Batch {
  const bodies = Array.from({ length: count }, (_, i) => body(producer, firstSeq + BigInt(i)));
  return { producer, firstSeq, lastSeq: firstSeq + BigInt(count) - 1n, floor: 1n, bodies };
}

const seqs = (plan: ReturnType<typeof planCommit>) =>
  plan.leaves.map(({ producer, seq }) => `${producer}${seq}`);

describe('planCommit', () => {
  test('numbers leaves on from the size, with their hashes and rows', () => {
    const plan = planCommit({ size: 7, positions: new Map([['a', 2n]]) }, [{ batch: batch('a', 3n, 2) }]);
    expect(plan.leaves.map(({ index, seq }) => [index, seq])).toEqual([
      [7, 3n],
      [8, 4n],
    ]);
    expect(plan.leaves[0]?.leafHash).toEqual(
      leafHash(entryOf({ producer: 'a', seq: 3n, body: body('a', 3n) })),
    );
    expect(plan.leaves[0]?.records).toHaveLength(1);
    expect(plan.taken).toEqual([{ kind: 'committed', fromSeq: 3n, throughSeq: 4n }]);
  });

  test('what is there already is dropped, and the rest of the batch taken', () => {
    const head = { size: 2, positions: new Map([['a', 2n]]) };
    expect(planCommit(head, [{ batch: batch('a', 1n, 2) }])).toEqual({
      leaves: [],
      taken: [{ kind: 'duplicate', throughSeq: 2n }],
    });
    expect(seqs(planCommit(head, [{ batch: batch('a', 1n, 4) }]))).toEqual(['a3', 'a4']);
  });

  test('the same batch twice in a group is taken once', () => {
    const plan = planCommit(empty, [{ batch: batch('a', 1n, 2) }, { batch: batch('a', 1n, 2) }]);
    expect(seqs(plan)).toEqual(['a1', 'a2']);
    expect(plan.taken.map(({ kind }) => kind)).toEqual(['committed', 'duplicate']);
  });

  test('batches that overtook each other are put in order', () => {
    const plan = planCommit(empty, [{ batch: batch('a', 3n, 1) }, { batch: batch('a', 1n, 2) }]);
    expect(seqs(plan)).toEqual(['a1', 'a2', 'a3']);
    expect(plan.taken.map(({ kind }) => kind)).toEqual(['committed', 'committed']);
  });

  test('a batch ahead of its sequence is left alone, and no other with it', () => {
    const plan = planCommit(empty, [{ batch: batch('a', 5n, 1) }, { batch: batch('b', 1n, 1) }]);
    expect(seqs(plan)).toEqual(['b1']);
    expect(plan.taken[0]).toEqual({ kind: 'ahead', from: 1n, to: 4n });
  });

  test.each([
    [3n, []],
    [4n, ['a5']],
    [9n, ['a5']],
  ])('with all through %d known to be lost', (lostThrough, expected) => {
    expect(seqs(planCommit(empty, [{ batch: batch('a', 5n, 1), lostThrough }]))).toEqual(expected);
  });

  test('whatever is sent, in whatever order and groups: each event at most once, in sequence, without gaps', () => {
    const offered = fc.record({
      producer: fc.constantFrom('a', 'b'),
      firstSeq: fc.bigInt({ min: 1n, max: 12n }),
      count: fc.integer({ min: 1, max: 5 }),
    });
    fc.assert(
      fc.property(fc.array(fc.array(offered, { maxLength: 4 }), { maxLength: 10 }), (groups) => {
        const positions = new Map<string, bigint>();
        let size = 0;
        for (const group of groups) {
          const plan = planCommit(
            { size, positions },
            group.map((each) => ({ batch: batch(each.producer, each.firstSeq, each.count) })),
          );
          for (const leaf of plan.leaves) {
            expect(leaf.index).toBe(size++);
            expect(leaf.seq).toBe((positions.get(leaf.producer) ?? 0n) + 1n);
            expect(leaf.body).toEqual(body(leaf.producer, leaf.seq));
            positions.set(leaf.producer, leaf.seq);
          }
        }
      }),
    );
  });
});
