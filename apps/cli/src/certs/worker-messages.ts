/** What passes between a batch and its workers. */

export type WorkerCase = { readonly number: number; readonly line: Uint8Array };
export type WorkerAnswer = { readonly number: number; readonly valid: boolean; readonly json: string };

/** What a worker shares: `[TICK]` is odd while it works on a case, `[CASE]` is the number of that case. */
export const TICK = 0;
export const CASE = 1;
