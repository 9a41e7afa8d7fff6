import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { serverSuite } from '../../src/testing/index.ts';

/** Only who may mount can make a disk that is small. */
const mayMount = spawnSync('unshare', ['--mount', 'true'], { stdio: 'ignore' }).status === 0;
const suite = await serverSuite('nats');

interface Said {
  readonly heard: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  readonly after: string;
  readonly received: number;
}

describe.skipIf(suite.skip || !mayMount)(
  suite.title(
    mayMount ? 'a NATS server whose disk is full' : 'a NATS server whose disk is full (skipped: no mount)',
  ),
  () => {
    test('is told in time and retryably, loses nothing it took, and goes on when there is room', () => {
      const disk = mkdtempSync(join(tmpdir(), 'nats-disk-'));
      try {
        const program = join(import.meta.dirname, 'small-disk.ts');
        const { stdout, stderr } = spawnSync('unshare', ['--mount', process.execPath, program, disk], {
          timeout: 60_000,
          encoding: 'utf8',
        });
        expect(stderr).toBe('');
        const { heard, slowestMs, after, received } = JSON.parse(stdout) as Said;
        const { taken = 0, full = 0, unavailable = 0 } = heard;
        expect(taken).toBeGreaterThan(10);
        expect(full + unavailable).toBe(200 - taken); // nothing else was heard
        expect(slowestMs).toBeLessThan(3000);
        expect([after, received]).toEqual(['taken', taken + 1]);
      } finally {
        rmSync(disk, { recursive: true, force: true });
      }
    }, 90_000);
  },
);
