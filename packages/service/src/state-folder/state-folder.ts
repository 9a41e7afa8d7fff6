import type { Clock } from '../clock/index.ts';

export type StateFolderErrorKind = 'locked' | 'unsafe' | 'unusable';

/** `message` names the folder, the owner where known, and what to do. */
export class StateFolderError extends Error {
  override readonly name = 'StateFolderError';
  readonly kind: StateFolderErrorKind;
  readonly path: string;
  /** Process id of the owner, when `kind` is `locked` and it could be read. */
  readonly ownerPid: number | undefined;

  constructor(
    kind: StateFolderErrorKind,
    path: string,
    message: string,
    options: { ownerPid?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.path = path;
    this.ownerPid = options.ownerPid;
  }
}

export interface StateFolderOptions {
  readonly clock: Clock;
  /** Written beside the lock for the message another process prints. */
  readonly pid: number;
}

/** A state folder this process owns until `release` or its death. */
export interface StateFolder extends Disposable {
  /** Absolute path, symbolic links resolved. */
  readonly path: string;
  /** What was repaired on the way and a person should know, e.g. a mode that was too open. */
  readonly notices: readonly string[];
  release(): void;
}

export function lockStateFolder(_path: string, _options: StateFolderOptions): StateFolder {
  throw new Error('in progress');
}
