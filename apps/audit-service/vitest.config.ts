import { defineConfig } from 'vitest/config';

/** Budget: 40 s on two quiet cores. A file opens one database and shares it; nothing sleeps to be sure. The two
 * `election` files are beside it: they kill processes on real servers, and wait as long as a take-over takes. */
export default defineConfig({
  test: { include: ['src/**/*.test.ts', 'test/**/*.test.ts'], testTimeout: 20_000 },
});
