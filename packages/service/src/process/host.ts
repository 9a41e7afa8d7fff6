/** What a program uses of `process`; `main.ts` passes it in, tests pass their own. */
import type { LogDestination } from '../log/index.ts';

export interface HostProcess {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: LogDestination & { on(event: 'error', listener: () => void): unknown };
  on(event: string, listener: (...args: never[]) => void): unknown;
  exit(code: number): void;
  /** Present when a parent holds a channel to this process (`sallyport up`). */
  readonly send?: ((message: ProcessReport) => boolean) | undefined;
}

/** What a service tells the parent that started it. */
export type ProcessReport =
  /** It listens; whether it is ready, its probes say. */
  | { readonly kind: 'listening'; readonly port: number; readonly probesPort: number }
  /** It cannot start; for a person. */
  | { readonly kind: 'failed'; readonly message: string };
