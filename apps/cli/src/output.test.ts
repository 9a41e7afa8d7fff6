import { describe, expect, test } from 'vitest';
import { createOutput, table, toJson, type Output } from './output.ts';

function collected(options: { json?: boolean; isTTY?: boolean }): Output & { out: string[]; err: string[] } {
  const out: string[] = [];
  const err: string[] = [];
  const output = createOutput({
    json: options.json === true,
    out: { write: (text) => out.push(String(text)) },
    err: { write: (text) => err.push(String(text)), isTTY: options.isTTY === true },
  });
  return { ...output, out, err };
}

describe('for people', () => {
  test('a result is its text, on standard output', () => {
    const output = collected({});
    output.result({ a: 1 }, 'one');
    expect([output.out, output.err]).toEqual([['one\n'], []]);
  });

  test('remarks and problems go to standard error', () => {
    const output = collected({});
    output.note('by the way');
    output.problem('no', { code: 'x' });
    expect([output.out, output.err]).toEqual([[], ['by the way\n', 'no\n']]);
  });
});

describe('with --json', () => {
  test('a result is its value, one line', () => {
    const output = collected({ json: true });
    output.result({ text: 'two\nlines' }, 'ignored');
    expect(output.out).toEqual(['{"text":"two\\nlines"}\n']);
  });

  test('remarks are silent', () => {
    const output = collected({ json: true });
    output.note('by the way');
    expect(output.err).toEqual([]);
  });

  test('a problem is JSON on standard error, with its details', () => {
    const output = collected({ json: true });
    output.problem('no', { reason: 'denied' });
    expect(output.err).toEqual(['{"error":{"message":"no","reason":"denied"}}\n']);
    expect(output.out).toEqual([]);
  });
});

describe('progress', () => {
  test('redraws one line before a person', () => {
    const output = collected({ isTTY: true });
    output.progress('1 of 2');
    output.progress('2 of 2');
    expect(output.err).toEqual(['\r\u001b[2K1 of 2', '\r\u001b[2K2 of 2']);
  });

  test('is wiped before a result, so that the two never share a line', () => {
    const output = collected({ isTTY: true });
    output.progress('half');
    output.result({}, 'done');
    expect(output.err.at(-1)).toBe('\r\u001b[2K');
    expect(output.out).toEqual(['done\n']);
  });

  test('ended twice is wiped once', () => {
    const output = collected({ isTTY: true });
    output.progress('half');
    output.progress(undefined);
    output.progress(undefined);
    expect(output.err).toHaveLength(2);
  });

  test('into a file is plain lines without escapes', () => {
    const output = collected({});
    output.progress('half');
    output.progress(undefined);
    expect(output.err).toEqual(['half\n']);
  });
});

describe('toJson', () => {
  const values: readonly [string, unknown, string][] = [
    ['a small 64-bit integer is a number', 5n, '5'],
    ['the largest exact one', BigInt(Number.MAX_SAFE_INTEGER), '9007199254740991'],
    ['one that a double cannot hold is text', 9007199254740993n, '"9007199254740993"'],
    ['bytes are hex', Uint8Array.of(0, 255), '"00ff"'],
    ['absent members stay away', { a: undefined, b: 1 }, '{"b":1}'],
  ];
  test.each(values)('%s', (_, value, text) => expect(toJson(value)).toBe(text));
});

describe('table', () => {
  test('pads to the widest cell and leaves no blanks at the end', () => {
    expect(
      table(
        ['A', 'LONG'],
        [
          ['wide', 'x'],
          ['y', ''],
        ],
      ),
    ).toBe('A     LONG\nwide  x\ny');
  });

  test('without rows is its heading', () => expect(table(['A', 'B'], [])).toBe('A  B'));
});
