/** Why the embedded profile did not start, for the person who started it: what, where, and what to do next. */
import { AuditLogError } from '@sallyport/audit-log';
import { CommandFailed } from './exit.ts';
import type { Home } from './state/home.ts';

/** Their messages are written for people already. By name: an app exports how it is composed, not its error classes. */
const SPEAKS_FOR_ITSELF: ReadonlySet<string> = new Set([
  'RootKeyError',
  'RootKeyMismatch',
  'MigrationError',
  'DatabaseError',
]);

/** A `CommandFailed` where the cause is known; anything else comes back as it is. */
export function startFailure(error: unknown, home: Home): unknown {
  if (!(error instanceof Error)) return error;
  if (error instanceof AuditLogError) return auditLogFailure(error, home);
  if (SPEAKS_FOR_ITSELF.has(error.name)) return new CommandFailed(`Cannot start: ${error.message}`);
  const { code, port, path } = error as NodeJS.ErrnoException & { readonly port?: number };
  if (code === 'EADDRINUSE' || code === 'EACCES' || code === 'EPERM') {
    if (port !== undefined) return portFailure(port, code, home);
  }
  if (code !== undefined && path !== undefined && code in WHAT_TO_DO) {
    return new CommandFailed(`Cannot start: ${path}: ${WHAT_TO_DO[code as keyof typeof WHAT_TO_DO]}`, {
      path,
      code,
    });
  }
  return error;
}

const WHAT_TO_DO = {
  EACCES: 'permission denied. Check its owner and mode, or choose another folder with SALLYPORT_HOME.',
  EPERM: 'permission denied. Check its owner and mode, or choose another folder with SALLYPORT_HOME.',
  EROFS: 'the file system is read-only. Choose another folder with SALLYPORT_HOME.',
  ENOSPC: 'no space is left. Make room and start again; nothing that was acknowledged is lost.',
  EMFILE: 'too many files are open. Raise the limit (ulimit -n) and start again.',
  EISDIR: 'a folder stands where a file should. Move it away and start again.',
  EEXIST: 'a file stands where a folder should. Move it away and start again.',
  ENOTDIR: 'a file stands where a folder should. Move it away and start again.',
} as const;

function portFailure(port: number, code: string, home: Home): CommandFailed {
  const why = code === 'EADDRINUSE' ? 'is in use by another program' : 'may not be used by you';
  return new CommandFailed(
    `Cannot start: port ${port} of 127.0.0.1 ${why}. ` +
      `Stop that program, or choose other ports with SALLYPORT_PORT_BASE (now ${home.ports.https}, six in a row).`,
    { port, code },
  );
}

function auditLogFailure(error: AuditLogError, home: Home): CommandFailed {
  const { problem, file, offset, message } = error;
  const where = file === undefined ? home.folder : `${file}${offset === undefined ? '' : `, byte ${offset}`}`;
  return new CommandFailed(`Cannot start: ${where}: ${message}. ${NEXT[problem] ?? NEXT.other}`, {
    problem,
    ...(file === undefined ? {} : { file }),
    ...(offset === undefined ? {} : { offset }),
  });
}

const NEXT: Partial<Record<AuditLogError['problem'], string>> & { readonly other: string } = {
  spool_corrupt:
    'Records that were safely on disk have changed there. Restore the file from a backup, or move the folder of this ' +
    'spool away as evidence: the log then shows what is missing as a gap.',
  spool_mismatch: 'The spool belongs to another service: put the folders back where they were.',
  log_inconsistent: 'Restore the folder audit-log from a backup taken together with the database.',
  tile_conflict: 'Restore the folder audit-log from a backup taken together with the database.',
  other: 'Check the folder, its owner and the free space.',
};
