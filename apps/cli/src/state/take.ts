/** Taking a state folder for one profile: locked for this process, and never shared with the other profile's data. */
import { stat } from 'node:fs/promises';
import type { Clock } from '@sallyport/service/clock';
import { lockStateFolder, StateFolderError, type StateFolder } from '@sallyport/service/state-folder';
import { CommandFailed } from '../exit.ts';
import type { Home } from './home.ts';

export type Profile = 'embedded' | 'cluster';

/**
 * Locks the folder until its release. Throws `CommandFailed` when another process has it, or when it holds the data of
 * the other profile: its keys, its pinned log key and its credentials belong to that data.
 */
export async function takeStateFolder(home: Home, profile: Profile, clock: Clock): Promise<StateFolder> {
  const folder = lock(home, clock);
  const other: Profile = profile === 'embedded' ? 'cluster' : 'embedded';
  const isOthers = await exists(other === 'embedded' ? home.databaseFolder : home.clusterFolder);
  if (!isOthers) return folder;
  folder.release();
  throw new CommandFailed(
    `${home.folder} holds the data of the ${other} profile. Give the ${profile} profile a folder of its own, e.g. ` +
      `SALLYPORT_HOME=${home.folder}-${profile}, here and for the commands; or start with: --profile ${other}`,
  );
}

function lock(home: Home, clock: Clock): StateFolder {
  try {
    return lockStateFolder(home.folder, { clock, pid: process.pid });
  } catch (error) {
    if (error instanceof StateFolderError) throw new CommandFailed(error.message, { reason: error.kind });
    throw error;
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
