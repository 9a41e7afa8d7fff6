/**
 * Two definitions of a tool, as a person compares them before approving one. The texts are a stranger's, and meant to be
 * read by a model: they are shown whole, one line each, with everything that is not printable spelled out.
 */
import { oneLine } from '../format.ts';

/** What a pin holds a tool to. */
const PINNED = ['name', 'title', 'description', 'inputSchema', 'outputSchema', 'annotations'];

export type DefinitionChange = {
  /** JSON pointer into the definition. */
  readonly path: string;
  /** JSON; absent where there is nothing. */
  readonly before?: unknown;
  readonly after?: unknown;
};

/** By path, the smallest parts that differ; none when both mean the same. An empty text is no definition. */
export function definitionChanges(before: string, after: string): DefinitionChange[] {
  const [old, young] = [leaves(before), leaves(after)];
  const paths = [...new Set([...old.keys(), ...young.keys()])].sort(byMember);
  return paths.flatMap((path) => {
    const [was, is] = [old.get(path), young.get(path)];
    if (was === is) return [];
    return [
      {
        path,
        ...(was === undefined ? {} : { before: JSON.parse(was) as unknown }),
        ...(is === undefined ? {} : { after: JSON.parse(is) as unknown }),
      },
    ];
  });
}

/** For a terminal: `-` what was, `+` what is. */
export function changeLines(changes: readonly DefinitionChange[]): string[] {
  return changes.flatMap(({ path, before, after }) => [
    oneLine(path),
    ...textLines('-', before),
    ...textLines('+', after),
  ]);
}

/** A whole definition, in the same manner. */
export function definitionLines(definition: string): string[] {
  return definitionChanges('', definition).flatMap(({ path, after }) => [
    oneLine(path),
    ...textLines(' ', after),
  ]);
}

function textLines(mark: string, value: unknown): string[] {
  if (value === undefined) return [];
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.split('\n').map((line) => `  ${mark} ${oneLine(line)}`);
}

/** Pointer → JSON of each scalar and each empty object or list. */
function leaves(definition: string): Map<string, string> {
  const found = new Map<string, string>();
  const value = parsed(definition);
  if (typeof value !== 'object' || value === null) return found;
  const open: [string, unknown][] = PINNED.filter((name) => Object.hasOwn(value, name)).map((name) => [
    `/${name}`,
    (value as Readonly<Record<string, unknown>>)[name],
  ]);
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [path, inner] = next;
    const entries = typeof inner === 'object' && inner !== null ? Object.entries(inner) : [];
    if (entries.length === 0) found.set(path, JSON.stringify(inner));
    for (const [name, item] of entries) {
      open.push([`${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, item]);
    }
  }
  return found;
}

/** In the order in which a person wants them: what it says of itself first. */
function byMember(a: string, b: string): number {
  const rank = (path: string): number => PINNED.indexOf(path.split('/')[1] ?? '');
  return rank(a) - rank(b) || (a < b ? -1 : 1);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
