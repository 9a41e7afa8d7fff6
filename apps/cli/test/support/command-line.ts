/** Runs the command line inside the test, with collectors for its streams: everything but `main.ts`. */
import { Readable } from 'node:stream';
import { run } from '../../src/program.ts';

export type Ran = {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Standard output, one JSON value a line. */
  json(): Record<string, unknown>[];
};

export type RunOptions = {
  /** Standard input. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
  readonly isTty?: boolean;
  /** Told each write to standard output as it comes. */
  readonly onOut?: (text: string) => void;
};

/** Never rejects: what goes wrong is the exit code and the text. */
export async function runCommand(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  let out = '';
  let err = '';
  const code = await run({
    args,
    openInput: () => Readable.from(options.input === undefined ? [] : [Buffer.from(options.input)]),
    env: options.env ?? {},
    out: {
      write(given: string | Uint8Array) {
        const text = typeof given === 'string' ? given : Buffer.from(given).toString();
        out += text;
        options.onOut?.(text);
      },
    },
    err: {
      write(text: string) {
        err += text;
      },
      isTTY: options.isTty === true,
    },
    signal: options.signal ?? new AbortController().signal,
  });
  return { code, out, err, json: () => jsonLines(out) };
}

/** One JSON object per line; throws on a line that is not one. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
