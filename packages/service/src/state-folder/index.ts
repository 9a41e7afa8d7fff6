export { lockStateFolder, StateFolderError } from './state-folder.ts';
export type { StateFolder, StateFolderErrorKind, StateFolderOptions } from './state-folder.ts';
