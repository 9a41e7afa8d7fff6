/** What the host and its worker say to each other. */
import type { PackedRows } from './byte-arena.ts';
import type { ServerErrorFields } from './server-error.ts';

export interface WorkerStart {
  /** `undefined`: in memory. */
  readonly dataDir: string | undefined;
}

export type WorkerRequest =
  | {
      readonly id: number;
      readonly kind: 'query';
      /** `undefined`: the superuser, for provisioning only. */
      readonly role: string | undefined;
      readonly sql: string;
      readonly parameters: PackedRows;
    }
  | { readonly id: number; readonly kind: 'script'; readonly role: string | undefined; readonly sql: string }
  | { readonly id: number; readonly kind: 'close' };

export type WorkerReply =
  | { readonly id: number; readonly kind: 'ready' }
  | {
      readonly id: number;
      readonly kind: 'result';
      readonly columns: readonly string[];
      readonly rows: PackedRows;
      readonly affectedRows: number | undefined;
      readonly command: string | undefined;
      readonly inTransaction: boolean;
    }
  | {
      readonly id: number;
      readonly kind: 'error';
      readonly error: ServerErrorFields;
      readonly inTransaction: boolean;
    }
  /** The engine itself broke: nothing more will work. */
  | { readonly id: number; readonly kind: 'fatal'; readonly message: string };
