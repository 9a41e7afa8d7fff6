import { defineConfig } from 'vitest/config';

/** Budget: 20 s on two quiet cores. No I/O. */
export default defineConfig({
  test: { include: ['src/**/*.test.ts', 'test/**/*.test.ts'], testTimeout: 20_000 },
});
