/**
 * A schema reads one node of the merged configuration. It reports every problem it finds to the context and returns
 * `undefined` for a value it could not make; nothing half-parsed ever leaves `loadConfig`.
 */

/** A value and where it came from. `value` is `undefined` when the key is absent. */
export interface ConfigNode {
  readonly value: unknown;
  readonly where: string;
  readonly key: string;
  /** Relative paths are resolved against this folder. */
  readonly baseDir: string;
  child(key: string | number): ConfigNode;
}

export interface ConfigContext {
  problem(node: ConfigNode, what: string, hint: string): void;
  environment(name: string, node: ConfigNode): ConfigNode | undefined;
}

export interface Schema<T> {
  /** What a person is told to write: `a port (1 to 65535)`. */
  readonly expects: string;
  read(node: ConfigNode, context: ConfigContext): T | undefined;
  /** Keeps the value type; never present at run time. */
  readonly type?: T;
}

export type Infer<S> = S extends Schema<infer T> ? T : never;

export interface ScalarOptions<T> {
  /** Without a default the key is required. Leave it out for anything that security depends on. */
  readonly default?: T;
  /** Name of the environment variable that overrides the file. */
  readonly env?: string;
  /** Added to the message when the key is missing: why it must be there, or where to get the value. */
  readonly hint?: string;
}
