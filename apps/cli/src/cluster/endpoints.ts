/** What a running cluster tells the commands of its state folder: one small file, replaced whole, gone with the cluster. */
import { rm } from 'node:fs/promises';
import { SERVICE_NAMES, type ServiceName } from '@sallyport/service/identity';
import { readIfPresent, writePrivate } from '../state/files.ts';
import type { Home } from '../state/home.ts';

export type ProcessEndpoint = {
  readonly name: ServiceName;
  readonly replica: number;
  readonly pid: number | null;
  readonly port: number;
  readonly probesPort: number;
};

export type Endpoints = { readonly profile: 'cluster'; readonly processes: readonly ProcessEndpoint[] };

const writeEndpoints = (home: Home, endpoints: Endpoints): Promise<void> =>
  writePrivate(home.endpointsFile, `${JSON.stringify(endpoints, undefined, 2)}\n`);

export type KeptEndpoints = AsyncDisposable & {
  /** Writes the file again, as things are then; soon, and one write at a time. */
  publish(): void;
};

/** Writes the file, keeps it true, and removes it in the end. */
export async function keepEndpoints(
  home: Home,
  now: () => readonly ProcessEndpoint[],
): Promise<KeptEndpoints> {
  const write = (): Promise<void> => writeEndpoints(home, { profile: 'cluster', processes: now() });
  await write();
  let writing: Promise<void> = Promise.resolve();
  return {
    publish() {
      // A disk that is full keeps the older file: addresses do not change, only pids do.
      writing = writing.then(write).catch(() => undefined);
    },
    async [Symbol.asyncDispose]() {
      await writing;
      await removeEndpoints(home);
    },
  };
}

export const removeEndpoints = (home: Home): Promise<void> => rm(home.endpointsFile, { force: true });

/** Undefined where no cluster runs from this folder, or the file is not one of ours. */
export async function readEndpoints(home: Home): Promise<Endpoints | undefined> {
  const text = await readIfPresent(home.endpointsFile);
  if (text === undefined) return undefined;
  try {
    const { processes } = JSON.parse(text) as Partial<Endpoints>;
    return Array.isArray(processes) && processes.every(isProcess)
      ? { profile: 'cluster', processes }
      : undefined;
  } catch {
    return undefined;
  }
}

function isProcess(value: unknown): value is ProcessEndpoint {
  if (typeof value !== 'object' || value === null) return false;
  const { name, replica, port, probesPort } = value as Record<string, unknown>;
  return (
    SERVICE_NAMES.some((service) => service === name) &&
    [replica, port, probesPort].every((number) => Number.isInteger(number) && Number(number) > 0)
  );
}
