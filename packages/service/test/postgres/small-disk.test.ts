import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseError as PgError } from 'pg';
import { describe, expect, test } from 'vitest';
import { databaseErrorOf } from '../../src/postgres/errors.ts';
import { serverSuite } from '../../src/testing/servers.ts';

/** Only who may mount can make a disk that is small. */
const mayMount = spawnSync('unshare', ['--mount', 'true'], { stdio: 'ignore' }).status === 0;

const suite = await serverSuite('postgres');
describe.skipIf(suite.skip)(suite.title('a full disk'), () => {
  test('its error, as the driver has it, is one of a database that is unavailable', () => {
    const error = Object.assign(new PgError('could not extend file', 1, 'error'), { code: '53100' });
    expect(databaseErrorOf(error)).toMatchObject({ kind: 'unavailable', retryable: true, sqlState: '53100' });
  });
  if (!mayMount) return;

  test('is told as unavailable, loses nothing that was acknowledged, and ends when there is room', () => {
    const base = mkdtempSync(join(tmpdir(), 'sallyport-disk-'));
    chmodSync(base, 0o711);
    try {
      const program = join(import.meta.dirname, 'small-disk.ts');
      const { stdout, stderr } = spawnSync('unshare', ['--mount', process.execPath, program, base], {
        timeout: 60_000,
        encoding: 'utf8',
      });
      expect(stderr).toBe('');
      const result = JSON.parse(stdout) as Record<string, unknown>;
      expect(result).toMatchObject({
        refused: expect.stringMatching(/^(?:unavailable 53100|outcome_unknown |unavailable )$/) as string,
        after: 'done',
        readable: true,
      });
      expect(result['kept']).toEqual(result['acknowledged']);
      expect((result['kept'] as number[]).length).toBeGreaterThan(0);
    } finally {
      rmSync(base, { recursive: true, force: true });
    }
  }, 90_000);
});
