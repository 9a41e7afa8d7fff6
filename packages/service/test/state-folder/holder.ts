/** Locks a folder, says so or why not, and holds it until killed. */
import { systemClock } from '../../src/clock/index.ts';
import { lockStateFolder, StateFolderError } from '../../src/state-folder/index.ts';

try {
  lockStateFolder(process.argv[2] ?? '', { clock: systemClock(), pid: process.pid });
  process.stdout.write('locked\n');
  // Nothing refers to the lock any more: collecting garbage must not end it.
  setInterval(() => globalThis.gc?.(), 5);
} catch (error) {
  if (!(error instanceof StateFolderError)) throw error;
  process.stdout.write(
    `${JSON.stringify({ kind: error.kind, ownerPid: error.ownerPid, message: error.message })}\n`,
  );
}
