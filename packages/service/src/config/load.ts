import type { Schema } from './schema.ts';

export interface LoadOptions {
  /** YAML file; must exist unless `text` is given. Without file and text: environment, overrides and defaults only. */
  readonly file?: string;
  /** The file's content, already read; `file` then only names it. */
  readonly text?: string;
  /** Default: no environment. A program passes `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** From the command line; wins over everything. Nested plain objects as in the file. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** Base of relative paths when there is no file. Default: the working folder. */
  readonly baseDir?: string;
}

/** The parsed configuration, deeply frozen. Throws `ConfigError` with every problem. */
export function loadConfig<T>(_schema: Schema<T>, _options: LoadOptions): T {
  throw new Error('in progress');
}
