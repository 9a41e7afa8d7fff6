/** Exit codes of every command: 0 done, 1 refused or failed, 2 usage. */
export const EXIT_DONE = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** A wrong command line or config: exit code 2. The message says what to do. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A command that ran and did not succeed: exit code 1. What there was to say has been said, or is the message. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
  readonly details: Readonly<Record<string, unknown>>;
  constructor(message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.details = details;
  }
}
