import { expect, test } from 'vitest';
import { contractTable } from './contract-table.ts';

const task = (label: string, name: string) => ({
  task: { name, suite: { name: 'group', suite: { name: `port: ${label}`, suite: { name: 'outer' } } } },
});

test('equal cases are no difference, whatever their order', () => {
  const table = contractTable('port');
  const [a, b] = [table.of('memory'), table.of('real')];
  for (const name of ['1', '2']) a(task('memory', name));
  for (const name of ['2', '1']) b(task('real', name));
  expect(table.differences()).toEqual([]);
  let text = '';
  table.skipped('other', 'not installed');
  table.print((part) => (text += part));
  expect(text).toBe(
    'contract port\n  memory  2 cases\n  real    2 cases\n  other   skipped: not installed\n',
  );
});

test('a case that one did not run is named', () => {
  const table = contractTable('port');
  const [a, b] = [table.of('memory'), table.of('real')];
  for (const name of ['1', '2']) a(task('memory', name));
  b(task('real', '1'));
  expect(table.differences()).toEqual(['real did not run: group > 2']);
});

test('an implementation that ran nothing is not equal to one that ran something, nor is nothing at all', () => {
  const table = contractTable('port');
  expect(table.differences()).toEqual(['no case ran']);
  table.of('memory')(task('memory', '1'));
  table.of('real');
  expect(table.differences()).toEqual(['real did not run: group > 1']);
});
