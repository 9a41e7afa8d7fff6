/** What every parser of this package answers: a value that is whole, or where and why the bytes are none. */

/** `offset` counts octets from the start of the input that the caller gave; `problem` is for people. */
export interface ParseFailure {
  readonly offset: number;
  readonly problem: string;
}

export type Parsed<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: ParseFailure };
