import { expect, test } from 'vitest';
import { isLeft } from './leaving.ts';

/** As `LiveSession.end` and `detach` are told them. */
test.each([
  { cause: 'carrier_closed', goesOn: true },
  { cause: 'epoch_exhausted', goesOn: true },
  { cause: 'epoch_required', goesOn: true },
  { cause: 'gateway_stopping', goesOn: true },
  // Its client is told `unavailable`, by which it resumes.
  { cause: 'guard_unavailable', goesOn: true },
  { cause: 'held_up', goesOn: true },
  { cause: 'lease_expired', goesOn: true },
  { cause: 'not_acknowledging', goesOn: true },
  { cause: 'superseded', goesOn: true },
  { cause: 'closed_by_client', goesOn: false },
  { cause: 'defect', goesOn: false },
  { cause: 'expired', goesOn: false },
  { cause: 'revoked', goesOn: false },
  { cause: 'revoked_by_administrator', goesOn: false },
  { cause: 'session_expired', goesOn: false },
  { cause: 'session_key_destroyed', goesOn: false },
  { cause: 'session_unknown', goesOn: false },
  { cause: 'unsealable', goesOn: false },
])('$cause: the session goes on: $goesOn', ({ cause, goesOn }) => {
  expect(isLeft(cause)).toBe(goesOn);
});
