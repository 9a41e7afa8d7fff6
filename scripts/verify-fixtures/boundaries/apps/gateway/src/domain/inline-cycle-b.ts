export interface B {
  readonly a: import('./inline-cycle-a.ts').A;
}
