import { mkdir } from 'node:fs/promises';
import { systemClock } from '@sallyport/service/clock';
import { expect, test } from 'vitest';
import { temporaryHome } from '../../test/support/temporary-home.ts';
import { CommandFailed } from '../exit.ts';
import { takeStateFolder } from './take.ts';

test('a new folder is for either profile, and for one process at a time', async () => {
  await using home = await temporaryHome();
  const clock = systemClock();
  const taken = await takeStateFolder(home, 'cluster', clock);
  await expect(takeStateFolder(home, 'cluster', clock)).rejects.toThrow(/in use by/u);
  taken.release();
  (await takeStateFolder(home, 'embedded', clock)).release();
});

test.each([
  ['cluster', 'embedded', 'databaseFolder'],
  ['embedded', 'cluster', 'clusterFolder'],
] as const)('the %s profile does not touch the data of the %s one', async (profile, other, folder) => {
  await using home = await temporaryHome();
  const clock = systemClock();
  await mkdir(home[folder], { recursive: true });
  const refusal = await takeStateFolder(home, profile, clock).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(CommandFailed);
  expect((refusal as Error).message).toMatch(
    new RegExp(`holds the data of the ${other} profile.*SALLYPORT_HOME=.*-${profile}`, 'u'),
  );
  (await takeStateFolder(home, other, clock)).release(); // and let go of the lock
});
