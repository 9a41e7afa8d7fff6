import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 20_000,
    // The system tests wait for child processes most of the time: two files at once, on as few as two cores.
    maxWorkers: 2,
  },
});
