/** Properties as vitest tests, with fast-check's report of the smallest counter-example. */
import * as fc from 'fast-check';
import { test as vitestTest } from 'vitest';

export { fc };
export const test = {
  prop:
    <T>(arbitraries: readonly [fc.Arbitrary<T>], parameters: fc.Parameters<[T]> = {}) =>
    (name: string, check: (value: T) => Promise<void> | void) =>
      vitestTest(name, () =>
        fc.assert(
          fc.asyncProperty(arbitraries[0], async (value) => check(value)),
          parameters,
        ),
      ),
};
