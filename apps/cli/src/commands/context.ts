/** What every command gets: where the state is, who is asking, and how to speak. */
import type { Readable } from 'node:stream';
import type { Home } from '../state/home.ts';
import type { Output } from '../output.ts';

export type CommandContext = {
  readonly home: Home;
  /** Name of the identity to act as, e.g. "admin": a file in the state folder's `identities/`. */
  readonly as: string;
  readonly output: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Standard input. A worker makes its descriptor one that does not wait: this stream can be read beside workers. */
  readonly openInput?: () => Readable;
  /** Aborts when the user interrupts. */
  readonly signal: AbortSignal;
};

/** Wraps a command's work: builds its context from the options that every command has. */
export type Run = <Options>(
  work: (context: CommandContext, options: Options, ...args: string[]) => Promise<void>,
) => (...commanderArgs: unknown[]) => Promise<void>;
