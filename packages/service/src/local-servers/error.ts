export type LocalServerErrorKind =
  /** The program is not on this machine. */
  | 'not_installed'
  /** It, or its user, cannot use the folder. */
  | 'unusable_folder'
  /** It ended, or did not answer in time. */
  | 'not_ready';

/** `message` says what is wrong, what the server last wrote to its log, and what to do. It holds no password. */
export class LocalServerError extends Error {
  override readonly name = 'LocalServerError';
  readonly kind: LocalServerErrorKind;

  constructor(kind: LocalServerErrorKind, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.kind = kind;
  }
}
