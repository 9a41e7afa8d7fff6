import { utf8 } from '@sallyport/crypto';
import { expect, test } from 'vitest';
import type { Batch } from '../domain/batch.ts';
import { MAX_COMMIT_BYTES } from '../domain/limits.ts';
import { memoryStore } from '../store/memory.ts';
import { groupCommit } from './group-commit.ts';
import type { LeafWriter } from './ports.ts';

function batch(producer: string, bodies: readonly Uint8Array[] = [utf8('x')]): Batch {
  return { producer, firstSeq: 1n, lastSeq: BigInt(bodies.length), floor: 1n, bodies };
}

/** Counts transactions, and fails those with a batch of `poison`. */
function counting(writer: LeafWriter, poison?: string) {
  const groups: (readonly string[])[] = [];
  const counted: LeafWriter = {
    commit(producers, plan) {
      groups.push(producers);
      if (poison !== undefined && producers.includes(poison))
        return Promise.reject(new Error('cannot be stored'));
      return writer.commit(producers, plan);
    },
  };
  return { groups, counted };
}

test('what comes while a transaction runs shares the next one', async () => {
  const { groups, counted } = counting(memoryStore().writer);
  const commit = groupCommit({ writer: counted, onCommitted: () => undefined });
  const taken = await Promise.all(['a', 'b', 'c', 'd'].map((producer) => commit({ batch: batch(producer) })));
  expect(taken.map(({ kind }) => kind)).toEqual(['committed', 'committed', 'committed', 'committed']);
  expect(groups).toEqual([['a'], ['b', 'c', 'd']]);
});

test('a batch that cannot be stored fails alone', async () => {
  const { counted } = counting(memoryStore().writer, 'b');
  const commit = groupCommit({ writer: counted, onCommitted: () => undefined });
  const settled = await Promise.allSettled(
    ['a', 'b', 'c'].map((producer) => commit({ batch: batch(producer) })),
  );
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});

test('a transaction is bounded', async () => {
  const { groups, counted } = counting(memoryStore().writer);
  const commit = groupCommit({ writer: counted, onCommitted: () => undefined });
  const large = [new Uint8Array(MAX_COMMIT_BYTES / 2)];
  await Promise.all(['a', 'b', 'c', 'd'].map((producer) => commit({ batch: batch(producer, large) })));
  expect(groups).toEqual([['a'], ['b', 'c'], ['d']]);
});

test('commits are told of, duplicates are not', async () => {
  const told: number[][] = [];
  const commit = groupCommit({
    writer: memoryStore().writer,
    onCommitted: (leaves, rows) => void told.push([leaves, rows]),
  });
  await commit({ batch: batch('a', [utf8('x'), utf8('y')]) });
  await commit({ batch: batch('a', [utf8('x'), utf8('y')]) });
  expect(told).toEqual([[2, 2]]);
});
