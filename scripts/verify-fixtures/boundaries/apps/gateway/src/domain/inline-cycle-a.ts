export interface A {
  readonly b: import('./inline-cycle-b.ts').B;
}
