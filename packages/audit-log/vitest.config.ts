import { defineConfig } from 'vitest/config';

/** Budget: 20 s on two quiet cores. A file opens one database and shares it; nothing sleeps to be sure. */
export default defineConfig({
  test: { include: ['src/**/*.test.ts', 'test/**/*.test.ts'], testTimeout: 20_000 },
});
