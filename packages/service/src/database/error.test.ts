import { expect, test } from 'vitest';
import { DatabaseError, isDatabaseError, kindOfSqlState, type DatabaseErrorKind } from './error.ts';

const states: readonly [string | undefined, DatabaseErrorKind][] = [
  ['23505', 'unique_violation'],
  ['23503', 'foreign_key_violation'],
  ['23502', 'not_null_violation'],
  ['23514', 'check_violation'],
  ['40001', 'serialization_failure'],
  ['40P01', 'serialization_failure'],
  ['42501', 'insufficient_privilege'],
  ['42P01', 'invalid_statement'],
  ['22P02', 'invalid_statement'],
  ['54000', 'invalid_statement'],
  ['53300', 'unavailable'],
  ['57P01', 'unavailable'],
  ['57014', 'deadline_exceeded'],
  ['08006', 'unavailable'],
  ['28P01', 'unavailable'],
  ['3D000', 'unavailable'],
  ['XX000', 'other'],
  ['', 'other'],
  [undefined, 'other'],
];
test.each(states)('SQLSTATE %s is %s', (state, kind) => {
  expect(kindOfSqlState(state)).toBe(kind);
});

test('an unhandled one has a reason for the edge, retryable where that helps', () => {
  expect(new DatabaseError('unavailable', 'x')).toMatchObject({ reason: 'unavailable', retryable: true });
  expect(new DatabaseError('serialization_failure', 'x')).toMatchObject({
    reason: 'conflict',
    retryable: true,
  });
  expect(new DatabaseError('unique_violation', 'x')).toMatchObject({ reason: 'internal', retryable: false });
});

test('isDatabaseError tells kinds apart', () => {
  const error = new DatabaseError('closed', 'x');
  expect([isDatabaseError(error), isDatabaseError(error, 'closed'), isDatabaseError(error, 'other')]).toEqual(
    [true, true, false],
  );
  expect(isDatabaseError(new Error('x'))).toBe(false);
});
