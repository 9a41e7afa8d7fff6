/**
 * Folders whose names survive a power cut. An fsync of a file says nothing about its name: that is durable when the
 * folder that holds it was synced, and so on up to what was there before.
 */
import { constants } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Makes the folder and its parents, mode 0700, where they are missing. `path` is absolute. */
export async function makeDurableFolder(path: string): Promise<void> {
  const firstMade = await mkdir(path, { recursive: true, mode: 0o700 });
  // One that is there may have been made by a process that was killed before it could sync.
  await syncFolder(dirname(path));
  if (firstMade === undefined) return;
  for (let made = dirname(path); made.length >= firstMade.length; made = dirname(made))
    await syncFolder(dirname(made));
}

/** fsync of a folder: makes creations, renames and removals in it durable. */
export async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await folder.sync();
}
