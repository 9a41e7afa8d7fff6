/**
 * Configuration before any schema: a tree whose every node knows where it was written. The file and the command line
 * become such trees and are laid over one another.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type ErrorCode, type Node } from 'yaml';
import type { ConfigProblem } from './problem.ts';

export type RawScalar = string | number | boolean | null;

export interface RawNode {
  /** `sallyport.yaml:12` or `command line`. */
  readonly where: string;
  readonly value: RawScalar | RawList | RawMap;
  /** From the command line or the environment: text stands for numbers and booleans, and wins over the file. */
  readonly override: boolean;
}

export type RawList = readonly RawNode[];
export type RawMap = ReadonlyMap<string, RawNode>;

export const isRawMap = (value: RawNode['value']): value is RawMap => value instanceof Map;
export const isRawList = (value: RawNode['value']): value is RawList => Array.isArray(value);

const maxBytes = 1024 * 1024;
const maxDepth = 32;

/** What YAML's own messages say, without quoting the source, which may hold a secret. */
const yamlProblems: Partial<Record<ErrorCode, string>> = {
  DUPLICATE_KEY: 'the same key stands twice in one block',
  BAD_INDENT: 'the indentation does not fit the lines above',
  TAB_AS_INDENT: 'a tab is used for indentation',
  MULTIPLE_DOCS: 'there is more than one document',
  MISSING_CHAR: 'a closing quote, bracket or space is missing',
  BLOCK_AS_IMPLICIT_KEY: 'a nested mapping stands where a plain value should',
  RESOURCE_EXHAUSTION: 'it is nested too deeply',
};

/** Parses `text`; problems go to `report`. `undefined` for an empty file or one that is not YAML at all. */
export function parseYaml(
  text: string,
  name: string,
  report: (problem: ConfigProblem) => void,
): RawNode | undefined {
  const problem = (where: string, what: string, hint: string, key = '') => report({ where, key, what, hint });
  if (Buffer.byteLength(text) > maxBytes) {
    problem(name, `the file is larger than ${maxBytes} bytes`, 'Check that it is the right file.');
    return undefined;
  }
  const lines = new LineCounter();
  const whereOf = (offset: number): string => `${name}:${Math.max(1, lines.linePos(offset).line)}`;
  const whereOfNode = (node: Node): string => whereOf(node.range?.[0] ?? 0);

  function convert(node: unknown, fallback: string, key: string, depth: number): RawNode | undefined {
    if (node === null || node === undefined) return { where: fallback, value: null, override: false };
    if (depth > maxDepth) {
      problem(fallback, `it is nested more than ${maxDepth} levels deep`, 'Check the indentation.', key);
      return undefined;
    }
    if (isAlias(node)) {
      problem(whereOfNode(node), 'YAML aliases are not supported', 'Write the value out.', key);
      return undefined;
    }
    if (isScalar(node)) {
      const { value } = node;
      const where = whereOfNode(node);
      if (
        value === null ||
        typeof value === 'string' ||
        typeof value === 'number' ||
        typeof value === 'boolean'
      ) {
        return { where, value, override: false };
      }
      problem(where, 'a value of this YAML type is not supported', 'Write it as plain text.', key);
      return undefined;
    }
    if (isSeq(node)) {
      const where = whereOfNode(node);
      const items = node.items.map((item, index) => convert(item, where, `${key}[${index}]`, depth + 1));
      return { where, value: items.filter((item) => item !== undefined), override: false };
    }
    if (isMap(node)) {
      const map = new Map<string, RawNode>();
      for (const pair of node.items) {
        const name = isScalar(pair.key) ? pair.key.value : undefined;
        const where = isScalar(pair.key) ? whereOfNode(pair.key) : whereOfNode(node);
        if (typeof name !== 'string') {
          problem(where, 'a key is not text', 'Put it in quotes.', key);
          continue;
        }
        const child = convert(pair.value, where, joinKey(key, name), depth + 1);
        if (child !== undefined) map.set(name, { ...child, where });
      }
      return { where: whereOfNode(node), value: map, override: false };
    }
    problem(fallback, 'this YAML construct is not supported', 'Use mappings, lists and plain values.', key);
    return undefined;
  }

  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      schema: 'core',
      logLevel: 'silent',
    });
    for (const { code, pos } of [...document.errors, ...document.warnings]) {
      problem(whereOf(pos[0]), yamlProblems[code] ?? `this is not valid YAML (${code})`, 'Correct the line.');
    }
    if (document.errors.length > 0 || document.contents === null) return undefined;
    return convert(document.contents, name, '', 0);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // the parser is recursive: nesting can exhaust the stack
    problem(name, 'it is nested too deeply', 'Check the indentation.');
    return undefined;
  }
}

export function joinKey(parent: string, key: string): string {
  const part = /^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key.slice(0, 80));
  return parent === '' ? part : `${parent}.${part}`;
}

/** Values given by the program: command line options. `undefined` values are absent. */
export function fromObject(value: unknown, where: string): RawNode {
  if (Array.isArray(value)) {
    return { where, override: true, value: value.map((item: unknown) => fromObject(item, where)) };
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, child]) => child !== undefined);
    return {
      where,
      override: true,
      value: new Map(entries.map(([key, child]) => [key, fromObject(child, where)])),
    };
  }
  if (
    value === null ||
    typeof value === 'string' ||
    typeof value === 'number' ||
    typeof value === 'boolean'
  ) {
    return { where, override: true, value };
  }
  throw new TypeError(`a configuration override is plain data, not ${typeof value}`);
}

/** Mappings merge key by key; anything else of `upper` replaces `lower`. */
export function overlay(lower: RawNode | undefined, upper: RawNode | undefined): RawNode | undefined {
  if (lower === undefined || upper === undefined) return upper ?? lower;
  if (!isRawMap(lower.value) || !isRawMap(upper.value)) return upper;
  const merged = new Map(lower.value);
  for (const [key, child] of upper.value) {
    const together = overlay(merged.get(key), child);
    if (together !== undefined) merged.set(key, together);
  }
  return { where: lower.where, override: false, value: merged };
}
