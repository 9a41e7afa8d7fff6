import { Reason as ProtoReason } from '@sallyport/proto';
import { describe, expect, test } from 'vitest';
import {
  alreadyExists,
  asSallyportError,
  busy,
  callerNotAllowed,
  cancelled,
  conflict,
  deadlineExceeded,
  denied,
  grpcStatus,
  httpProblemOf,
  internal,
  internalMessage,
  invalidArgument,
  isReason,
  notFound,
  reasons,
  retryAfterMsOf,
  SallyportError,
  toGrpcStatus,
  toHttpProblem,
  tooLarge,
  unauthenticated,
  unavailable,
  unimplemented,
} from './index.ts';

describe('the tables', () => {
  test('have exactly the reasons of the proto', () => {
    const inProto = Object.keys(ProtoReason).filter((name) => name !== 'UNSPECIFIED');
    expect(reasons.map((reason) => reason.toUpperCase()).toSorted()).toEqual(inProto.toSorted());
    expect(Object.keys(httpProblemOf).toSorted()).toEqual(reasons.toSorted());
    expect(Object.keys(retryAfterMsOf).toSorted()).toEqual(reasons.toSorted());
  });

  test.each(reasons)('%s maps to a canonical gRPC code and a complete problem', (reason) => {
    expect(Object.values(grpcStatus)).toContain(toGrpcStatus(reason));
    const problem = toHttpProblem(new SallyportError(reason, 'what happened'));
    expect(problem).toMatchObject({
      type: `urn:sallyport:reason:${reason}`,
      detail: 'what happened',
      reason,
    });
    expect(problem.status).toBeGreaterThanOrEqual(400);
    expect(problem.status).toBeLessThan(600);
    expect(problem.title).not.toBe('');
  });

  test('a retryable reason is one that a client may meet as temporary', () => {
    const retryable = reasons.filter((reason) => new SallyportError(reason, '').retryable);
    expect(retryable).toEqual(['conflict', 'busy', 'unavailable', 'policy_unavailable', 'spool_full']);
  });

  test('titles are distinct', () => {
    const titles = reasons.map((reason) => httpProblemOf[reason].title);
    expect(new Set(titles).size).toBe(titles.length);
  });

  test.each(['', 'INTERNAL', 'unspecified', '__proto__', 'toString', undefined, 3])(
    '%j is no reason',
    (value) => {
      expect(isReason(value)).toBe(false);
    },
  );
});

describe('SallyportError', () => {
  test('carries what it was given, and the reason gives the rest', () => {
    const cause = new Error('inner');
    const options = { field: 'a.b', correlationId: 'c', retryAfterMs: 7, cause };
    expect(new SallyportError('denied', 'no', options)).toMatchObject({
      reason: 'denied',
      message: 'no',
      retryable: true,
      ...options,
    });
    expect(new SallyportError('busy', 'x').retryAfterMs).toBe(retryAfterMsOf.busy);
    expect(new SallyportError('denied', 'x').retryable).toBe(false);
  });

  test.each([
    ['invalid_argument', invalidArgument],
    ['unauthenticated', unauthenticated],
    ['caller_not_allowed', callerNotAllowed],
    ['denied', denied],
    ['not_found', notFound],
    ['already_exists', alreadyExists],
    ['conflict', conflict],
    ['too_large', tooLarge],
    ['busy', busy],
    ['unavailable', unavailable],
    ['deadline_exceeded', deadlineExceeded],
    ['cancelled', cancelled],
    ['unimplemented', unimplemented],
  ] as const)('the factory of %s', (reason, make) => {
    expect(make('m', { field: 'f' })).toMatchObject({ reason, message: 'm', field: 'f' });
  });
});

describe('at the edge', () => {
  const unknown: readonly [string, unknown][] = [
    ['an error', new Error('canary')],
    ['a subclass', new TypeError('canary')],
    ['text', 'canary'],
    ['nothing', undefined],
    ['an object that looks like ours', { reason: 'denied', message: 'canary', name: 'SallyportError' }],
    ['an internal error with words of its own', new SallyportError('internal', 'canary')],
  ];
  test.each(unknown)('%s is internal: fixed message, correlation id, cause kept', (_, thrown) => {
    const error = asSallyportError(thrown, 'id-1');
    expect(error).toMatchObject({
      reason: 'internal',
      message: internalMessage,
      correlationId: 'id-1',
      retryable: false,
    });
    expect(JSON.stringify(toHttpProblem(error))).not.toContain('canary');
    expect(error.cause).toBe(thrown);
  });

  test('ours passes, with the id added', () => {
    const error = asSallyportError(
      new SallyportError('not_found', 'no such key', { field: 'key_id' }),
      'id-1',
    );
    expect(error).toMatchObject({
      reason: 'not_found',
      message: 'no such key',
      field: 'key_id',
      correlationId: 'id-1',
    });
  });

  test('an id that is there already stays', () => {
    const original = new SallyportError('not_found', 'x', { correlationId: 'first' });
    expect(asSallyportError(original, 'second')).toBe(original);
    expect(asSallyportError(internal(new Error('x'), 'first'), 'second').correlationId).toBe('first');
  });

  test('a waiting time of our own survives', () => {
    expect(asSallyportError(new SallyportError('busy', 'x', { retryAfterMs: 9 }), 'id').retryAfterMs).toBe(9);
  });

  test('the problem leaves out what is not there', () => {
    expect(Object.keys(toHttpProblem(new SallyportError('denied', 'x')))).toEqual([
      'type',
      'title',
      'status',
      'detail',
      'reason',
    ]);
  });
});
