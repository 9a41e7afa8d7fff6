import { defineConfig } from 'vitest/config';

/** Budget: 60 s on two quiet cores. */
export default defineConfig({
  test: { include: ['src/**/*.test.ts', 'test/**/*.test.ts'], testTimeout: 20_000 },
});
