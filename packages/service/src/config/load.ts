/** Parses a configuration once: file, then environment, then command line, checked together. */
import { readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { ConfigError, type ConfigProblem } from './problem.ts';
import { fromObject, overlay, parseYaml, type RawNode } from './raw.ts';
import { invalid, type ConfigContext, type Schema } from './schema.ts';

export interface LoadOptions {
  /** YAML file; must exist unless `text` is given. Without file and text: environment, overrides and defaults only. */
  readonly file?: string;
  /** The file's content, already read; `file` then only names it. */
  readonly text?: string;
  /** Default: no environment. A program passes `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** From the command line; wins over everything. Nested plain objects as in the file; `undefined` is absent. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** Base of relative paths. Default: the file's folder, or without a file the working folder. */
  readonly baseDir?: string;
}

/** The parsed configuration, deeply frozen. Throws `ConfigError` with every problem. */
export function loadConfig<T>(schema: Schema<T>, options: LoadOptions): T {
  const problems: ConfigProblem[] = [];
  const report = (problem: ConfigProblem): void => void problems.push(problem);
  const name = options.file === undefined ? 'configuration' : basename(options.file);

  const text = options.text ?? (options.file === undefined ? undefined : readFile(options.file, report));
  const fromFile = text === undefined ? undefined : parseYaml(text, name, report);
  // Without the file's content every key would be reported as missing: say only what is wrong with the file.
  if (problems.length > 0 && fromFile === undefined) throw new ConfigError(problems);

  const overrides =
    options.overrides === undefined ? undefined : fromObject(options.overrides, 'command line');
  const raw: RawNode | undefined = overlay(fromFile, overrides);
  const context: ConfigContext = {
    baseDir: resolve(options.baseDir ?? (options.file === undefined ? '.' : dirname(options.file))),
    environment: options.env ?? {},
    problem({ where, key }, what, hint) {
      report({ where, key, what, hint });
      return invalid;
    },
  };
  const value = schema.read({ raw, where: raw?.where ?? name, key: '' }, context);
  if (value === invalid || problems.length > 0) throw new ConfigError(problems);
  return deepFreeze(value);
}

function readFile(file: string, report: (problem: ConfigProblem) => void): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'not readable';
    const what = code === 'ENOENT' ? 'the file does not exist' : `the file cannot be read (${code})`;
    report({ where: file, key: '', what, hint: 'Check the path and its permissions.' });
    return undefined;
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}
