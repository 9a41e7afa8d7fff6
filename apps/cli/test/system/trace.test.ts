/** The trace of a message in the embedded profile. Budget: 60 s on two cores. */
import { describe } from 'vitest';
import { traceSuite } from '../support/trace-suite.ts';

describe('embedded profile', () => {
  traceSuite({});
});
