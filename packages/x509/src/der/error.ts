/** Why octets are not what was expected, and at which. Never leaves this package. */
export class DerError extends Error {
  readonly offset: number;
  constructor(problem: string, offset: number) {
    super(problem);
    this.offset = offset;
  }
}
