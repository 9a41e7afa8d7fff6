/**
 * How the command speaks: results on standard output, everything else on standard error, so that a pipe gets results only.
 * With `--json` a list is one JSON object per line and anything else one object; errors are JSON too.
 */
export type Output = {
  readonly json: boolean;
  /** True when a person watches standard error, so that progress may redraw its line. */
  readonly interactive: boolean;
  /** True when a person watches standard output. */
  readonly toTerminal: boolean;
  /** One result. With `--json` the value, else the text. */
  result(value: Readonly<Record<string, unknown>>, text: string): void;
  /** A result that is bytes of somebody else's making: exactly these, nothing added. */
  bytes(value: Uint8Array): void;
  /** Resolves when standard output takes more: whoever writes much waits for a slow reader, and not in memory. */
  drained(): Promise<void>;
  /** A remark to a person; silent with `--json`. */
  note(text: string): void;
  /** A line of a log that somebody else wrote, as it is. */
  log(line: string): void;
  /** An error or a warning that must be seen. */
  problem(text: string, value?: Readonly<Record<string, unknown>>): void;
  /** Redraws the progress line; `undefined` ends it. Silent unless `interactive`, but for one line per `every` calls. */
  progress(text: string | undefined): void;
};

type Stream = {
  write(text: string | Uint8Array): unknown;
  readonly isTTY?: boolean;
  readonly writableNeedDrain?: boolean;
  once?(event: 'drain', listener: () => void): unknown;
};

/** Writes to the given streams (standard output and error in the program, collectors in tests). */
export function createOutput(options: { json: boolean; out: Stream; err: Stream }): Output {
  const { json, out, err } = options;
  const interactive = err.isTTY === true;
  let drawn = false;
  const clear = (): void => {
    if (drawn) err.write('\r\u001b[2K');
    drawn = false;
  };
  return {
    json,
    interactive,
    toTerminal: out.isTTY === true,
    bytes(value) {
      clear();
      out.write(value);
    },
    async drained() {
      if (out.writableNeedDrain === true) await new Promise<void>((resolve) => out.once?.('drain', resolve));
    },
    result(value, text) {
      clear();
      out.write(`${json ? toJson(value) : text}\n`);
    },
    note(text) {
      clear();
      if (!json) err.write(`${text}\n`);
    },
    log(line) {
      clear();
      err.write(`${line}\n`);
    },
    problem(text, value) {
      clear();
      err.write(`${json ? toJson({ error: { message: text, ...value } }) : text}\n`);
    },
    progress(text) {
      if (text === undefined) return clear();
      if (interactive) {
        err.write(`\r\u001b[2K${text}`);
        drawn = true;
      } else {
        err.write(`${text}\n`);
      }
    },
  };
}

/** JSON with 64-bit integers as decimal strings where they exceed a double, and bytes as hex. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'bigint') return Number.isSafeInteger(Number(item)) ? Number(item) : item.toString();
    if (item instanceof Uint8Array) return Buffer.from(item).toString('hex');
    return item;
  });
}

/** Columns padded to their widest cell; an empty table is its heading alone. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heading.map((cell, column) =>
    Math.max(cell.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [line(heading), ...rows.map(line)].join('\n');
}
