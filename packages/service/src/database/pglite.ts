import type { DatabaseHost } from './port.ts';

export type PgliteOptions =
  | { readonly dataDir: string; readonly startTimeoutMs?: number }
  | { readonly memory: true; readonly startTimeoutMs?: number };

export async function openPglite(_options: PgliteOptions): Promise<DatabaseHost> {
  throw new Error('in progress');
}
