import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', 'verify-fixtures/**'],
    testTimeout: 20_000,
  },
});
