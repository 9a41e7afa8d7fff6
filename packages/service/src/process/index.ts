export { startProbes } from './probes.ts';
export type { Probes, ProbesOptions } from './probes.ts';
