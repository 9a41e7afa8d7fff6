/** Collects findings: all are counted, the first ones kept. */
import type { VerifyFinding } from './types.ts';

export class Findings {
  readonly kept: VerifyFinding[] = [];
  readonly #max: number;
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#count;
  }

  add(finding: VerifyFinding): void {
    this.#count += 1;
    if (this.kept.length < this.#max) this.kept.push(finding);
  }
}

/** A stored value, short enough to print. */
export function shown(value: string | number | bigint): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}

/** Index of the first byte that differs; the shorter length when one begins with the other. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
  return length;
}

export function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && Buffer.compare(a, b) === 0;
}
