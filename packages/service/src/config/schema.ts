/**
 * A schema reads one node of the configuration. It reports every problem it finds and answers `invalid` for a value it
 * could not make; nothing half-parsed ever leaves `loadConfig`.
 */
import { joinKey, type RawNode } from './raw.ts';

export const invalid = Symbol('invalid');
export type Invalid = typeof invalid;

/** A place in the configuration; `raw` is `undefined` when the key is absent. */
export interface ConfigNode {
  readonly raw: RawNode | undefined;
  /** Of the node, or of the nearest thing around it when it is absent. */
  readonly where: string;
  readonly key: string;
}

export interface ConfigContext {
  /** Relative paths are resolved against this folder. */
  readonly baseDir: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Reports and answers `invalid`, so that a schema can return it. */
  problem(node: Pick<ConfigNode, 'where' | 'key'>, what: string, hint: string): Invalid;
}

export interface Schema<T> {
  /** What a person is told to write: `a port from 1 to 65535`. */
  readonly expects: string;
  /** The environment variable that may give the value, for `optional` to look at. */
  readonly env?: string;
  read(node: ConfigNode, context: ConfigContext): T | Invalid;
}

export type Infer<S> = S extends Schema<infer T> ? T : never;

export interface ScalarOptions<T> {
  /** Without a default the key is required. Leave it out for anything that security depends on. */
  readonly default?: T;
  /** Name of the environment variable that overrides the file. An empty one counts as unset. */
  readonly env?: string;
  /** Added to the message when the key is missing: why it must be there, or where to get the value. */
  readonly hint?: string;
}

export function childNode(parent: ConfigNode, key: string, raw: RawNode | undefined): ConfigNode {
  return { raw, where: raw?.where ?? parent.where, key: joinKey(parent.key, key) };
}
