import { SallyportError, type Reason } from '../errors/index.ts';

const rows = {
  /** The broker holds as much as it may; try again later. */
  full: { reason: 'busy' },
  closed: { reason: 'unavailable' },
  /** The broker cannot be reached, or does not answer. */
  unavailable: { reason: 'unavailable' },
  /** The broker does not let this user in, or not on this subject: an operator must change something. */
  refused: { reason: 'unavailable' },
  /** A subject, name, option or payload that the contract does not allow: a defect in the caller. */
  invalid: { reason: 'internal' },
} as const satisfies Record<string, { reason: Reason }>;

export type BusErrorKind = keyof typeof rows;

export class BusError extends SallyportError {
  override readonly name: string = 'BusError';
  readonly kind: BusErrorKind;

  constructor(kind: BusErrorKind, message: string, options: { readonly cause?: unknown } = {}) {
    super(rows[kind].reason, message, options);
    this.kind = kind;
  }
}
