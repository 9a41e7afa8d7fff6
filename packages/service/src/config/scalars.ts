import type { ScalarOptions, Schema } from './schema.ts';

export interface StringOptions extends ScalarOptions<string> {
  readonly minLength?: number;
  /** Default 4096. */
  readonly maxLength?: number;
  readonly pattern?: RegExp;
}

interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

const soon = (): never => {
  throw new Error('in progress');
};

export function string(_options: StringOptions = {}): Schema<string> {
  return soon();
}
export function integer(_options: ScalarOptions<number> & Bounds = {}): Schema<number> {
  return soon();
}
/** 0 asks for a free port and needs `allowZero`. */
export function port(
  _options: ScalarOptions<number> & { readonly allowZero?: boolean } = {},
): Schema<number> {
  return soon();
}
/** `250ms`, `30s`, `5m`, `1h`, `7d` → milliseconds. */
export function duration(_options: ScalarOptions<number> & Bounds = {}): Schema<number> {
  return soon();
}
/** `512B`, `64KiB`, `1MiB`, `2GiB` → bytes. */
export function bytes(_options: ScalarOptions<number> & Bounds = {}): Schema<number> {
  return soon();
}
export function boolean(_options: ScalarOptions<boolean> = {}): Schema<boolean> {
  return soon();
}
export function oneOf<const V extends string>(
  _values: readonly V[],
  _options: ScalarOptions<V> = {},
): Schema<V> {
  return soon();
}
export function url(
  _options: ScalarOptions<string> & { readonly protocols?: readonly string[] } = {},
): Schema<string> {
  return soon();
}
/** Absolute path; a relative one is relative to the configuration file. */
export function path(_options: ScalarOptions<string> = {}): Schema<string> {
  return soon();
}
/** Path of a file that exists, is a regular file and that nobody but its owner can read. The content is never read here. */
export function secretFile(_options: ScalarOptions<string> = {}): Schema<string> {
  return soon();
}
