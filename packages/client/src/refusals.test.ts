import { encodeRefusal, type RefusalCode } from '@sallyport/channel';
import { expect, test } from 'vitest';
import { refusalError } from './refusals.ts';

const payloadOf = (code: RefusalCode): Uint8Array => encodeRefusal({ code, retryAfterMs: 0, detail: '' });

test.each<{ code: RefusalCode; first: boolean; resend: boolean }>([
  { code: 'denied', first: false, resend: false },
  { code: 'unavailable', first: false, resend: false },
  { code: 'outcome_unknown', first: true, resend: true },
  // Its sequence is not used up: a copy of the frame may be taken as long as it is fresh.
  { code: 'too_far_ahead', first: true, resend: true },
  { code: 'expired', first: false, resend: true },
])('$code: whether it may have taken effect', ({ code, first, resend }) => {
  expect(refusalError(payloadOf(code), false)?.mayHaveTakenEffect).toBe(first);
  expect(refusalError(payloadOf(code), true)?.mayHaveTakenEffect).toBe(resend);
});
