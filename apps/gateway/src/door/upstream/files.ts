/** Files and programs that a server's configuration names, looked at when the configuration is read. */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import type { Complaint } from '@sallyport/service/config';
import { readPassword } from '@sallyport/service/process';
import { routeFileProblems } from '../../routes/files.ts';
import type { UpstreamConfig } from './config.ts';

export const HINT = 'See "Servers of the Model Context Protocol" in the README of the gateway.';
/** Of a gateway that was given none (POSIX, `confstr(_CS_PATH)` and what Debian has). */
const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin';

/** The gateway's own: what `--check-config` finds is what is run. */
export const gatewayPath = (): string => process.env['PATH'] ?? DEFAULT_PATH;

/** The program that would be run; undefined when there is none. `path` as in PATH. */
export function findCommand(command: string, path: string): string | undefined {
  const candidates = isAbsolute(command)
    ? [command]
    : path
        .split(delimiter)
        // An empty or relative entry would mean wherever the gateway happens to stand.
        .filter(isAbsolute)
        .map((folder) => join(folder, command));
  return candidates.find(isExecutable);
}

/** No complaint holds anything of a secret. */
export function serverFileProblems(server: UpstreamConfig, path: string): readonly Complaint[] {
  if (server.kind === 'http') {
    const { url, certFile, keyFile, credential } = server;
    return routeFileProblems({
      ...{ kind: 'http', url, timeoutMs: 1, maxResponseBytes: 1 },
      ...(certFile === undefined ? {} : { certFile }),
      ...(keyFile === undefined ? {} : { keyFile }),
      ...(credential === undefined ? {} : { credential }),
    });
  }
  const { command, env = {}, envFiles = {}, cwd } = server;
  const complaints: Complaint[] = [];
  if (findCommand(command, env['PATH'] ?? path) === undefined)
    complaints.push({ key: ['command'], what: 'names no program that can be run', hint: HINT });
  if (cwd !== undefined && !isFolder(cwd))
    complaints.push({ key: ['cwd'], what: 'names no folder', hint: HINT });
  for (const [name, file] of Object.entries(envFiles)) {
    try {
      readPassword(file);
    } catch (error) {
      const what = error instanceof TypeError ? error.message : 'cannot be used';
      complaints.push({ key: ['envFiles', name], what, hint: HINT });
    }
  }
  return complaints;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
