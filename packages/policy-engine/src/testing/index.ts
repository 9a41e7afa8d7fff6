/** Of tests: modules of which no bundle should be let in. */
export { ALLOW, DENY, fakeModule } from './fake-module.ts';
export type { Behaviour, FakeModule } from './fake-module.ts';
