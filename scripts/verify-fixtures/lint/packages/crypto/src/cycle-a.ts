import type { B } from './cycle-b.ts';

export interface A {
  readonly b: B;
}
