export { checked } from './checked.ts';
export type { Complaint } from './checked.ts';
export { ConfigError, formatProblems } from './problem.ts';
export type { ConfigProblem } from './problem.ts';
export { loadConfig } from './load.ts';
export type { LoadOptions } from './load.ts';
export type { Infer, ScalarOptions, Schema } from './schema.ts';
export { boolean, bytes, duration, integer, oneOf, path, port, secretFile, string, url } from './scalars.ts';
export { list, object, optional, record } from './structures.ts';
