import { Metadata, status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SallyportError, reasons } from '../errors/index.ts';
import { DETAILS_KEY, errorOf, statusOf } from './status.ts';

describe('an error on the wire', () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...reasons),
        fc.string({ maxLength: 100 }),
        fc.string({ maxLength: 50, minLength: 1 }),
        (reason, message, field) => {
          const sent = new SallyportError(reason, message, { field, correlationId: 'c0ffee' });
          const got = errorOf(statusOf(sent), 'a call');
          expect(got).toMatchObject({ reason, message, correlationId: 'c0ffee', field });
          expect(got.retryAfterMs).toBe(sent.retryAfterMs);
        },
      ),
    );
  });

  test('is short and well-formed whatever it says', () => {
    const sent = new SallyportError('denied', `\ud800${'x'.repeat(100_000)}`, { field: 'f'.repeat(10_000) });
    const { details, metadata } = statusOf(sent);
    expect(encodeURI(details).length).toBeLessThan(2_000);
    expect(metadata?.get(DETAILS_KEY)[0]?.length).toBeLessThan(2_000);
  });

  test('never holds the cause', () => {
    const sent = new SallyportError('unavailable', 'no', { cause: new Error('canary-42') });
    expect(JSON.stringify(statusOf(sent))).not.toContain('canary');
  });
});

describe('a status without our detail', () => {
  test.each([
    [status.CANCELLED, 'cancelled'],
    [status.DEADLINE_EXCEEDED, 'deadline_exceeded'],
    [status.RESOURCE_EXHAUSTED, 'too_large'],
    [status.UNIMPLEMENTED, 'unimplemented'],
    [status.UNAVAILABLE, 'unavailable'],
    [status.INTERNAL, 'internal'],
    [status.UNKNOWN, 'internal'],
    [status.PERMISSION_DENIED, 'internal'],
    [status.UNAUTHENTICATED, 'internal'],
    [99, 'internal'],
  ])('%i reads as %s', (code, reason) => {
    const error = errorOf({ code, details: 'text of a stranger' }, 'a call');
    expect(error.reason).toBe(reason);
    expect(error.message).not.toContain('stranger');
  });

  test('with noise for a detail reads by its code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => {
        const metadata = new Metadata();
        metadata.set(DETAILS_KEY, Buffer.from(noise));
        expect(errorOf({ code: status.UNAVAILABLE, details: '', metadata }, 'a call').reason).toBe(
          'unavailable',
        );
      }),
    );
  });
});
