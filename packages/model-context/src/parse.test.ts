import fc from 'fast-check';
import { visit } from 'jsonc-parser';
import { describe, expect, it } from 'vitest';
import { INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR } from './errors.ts';
import type { JsonValue } from './message.ts';
import { parseMessage } from './parse.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const call = (inside: string): string =>
  `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{${inside}}}`;
const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const members = (count: number): string => Array.from({ length: count }, (_, at) => `"m${at}":0`).join(',');

describe('what is accepted', () => {
  it.each([
    ['a request', '{"jsonrpc":"2.0","id":1,"method":"ping"}'],
    ['a request with a string id', '{"jsonrpc":"2.0","id":"a","method":"ping","params":{}}'],
    ['an empty string id', '{"jsonrpc":"2.0","id":"","method":"ping"}'],
    ['id 0', '{"jsonrpc":"2.0","id":0,"method":"ping"}'],
    ['a negative id', '{"jsonrpc":"2.0","id":-7,"method":"ping"}'],
    ['a notification', '{"jsonrpc":"2.0","method":"notifications/initialized"}'],
    ['a result', '{"jsonrpc":"2.0","id":1,"result":{}}'],
    ['an error', '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}'],
    ['an error without id', '{"jsonrpc":"2.0","error":{"code":-32700,"message":"no","data":[1]}}'],
    ['an error with id null', '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}'],
    ['white space around', ' \r\n\t{"jsonrpc" : "2.0" , "id" : 1 , "method" : "ping" } \n'],
    ['colons, braces and quotes in strings', call(String.raw`"a":":{}[]\":\"","b":"\\","c":"\\\""`)],
    ['the same name in different objects', call('"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}]')],
    ['names that differ by case', call('"a":1,"A":2')],
    ['64 deep', call(`"a":${nested(62)}`)],
    ['10,000 members', call(members(10_000 - 4))],
    ['a lone surrogate', call(String.raw`"a":"\ud800"`)],
    ['text of all planes', call('"ключ":"𝄞 \u2028"')],
  ])('%s', (_, text) => {
    const parsed = parseMessage(utf8(text));
    expect(parsed).toStrictEqual({ ok: true, message: JSON.parse(text) as JsonValue });
    expect(parseMessage(text)).toStrictEqual(parsed);
  });

  it('keeps `__proto__` as an ordinary own member', () => {
    const parsed = parseMessage(utf8(call('"arguments":{"__proto__":{"polluted":true}}')));
    expect(parsed.ok).toBe(true);
    if (!parsed.ok || !('params' in parsed.message)) throw new Error('a request');
    const args = parsed.message.params?.['arguments'] as object;
    expect(Object.keys(args)).toStrictEqual(['__proto__']);
    expect(Object.getPrototypeOf(args)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('what is refused', () => {
  it.each<[string, string, number, (string | number)?]>([
    ['nothing', '', PARSE_ERROR],
    ['white space', '  ', PARSE_ERROR],
    ['half a message', '{"jsonrpc":"2.0","id":1', PARSE_ERROR],
    ['two messages', '{"jsonrpc":"2.0","id":1,"method":"ping"}{}', PARSE_ERROR],
    ['a comment', '{"jsonrpc":"2.0","id":1,"method":"ping"}//', PARSE_ERROR],
    ['a trailing comma', '{"jsonrpc":"2.0","id":1,"method":"ping",}', PARSE_ERROR],
    ['single quotes', "{'jsonrpc':'2.0'}", PARSE_ERROR],
    ['NaN', call('"a":NaN'), PARSE_ERROR],
    ['a raw line break in a string', '{"jsonrpc":"2.0","id":1,"method":"a\nb"}', PARSE_ERROR],
    ['a byte order mark', '\ufeff{"jsonrpc":"2.0","id":1,"method":"ping"}', PARSE_ERROR],
    ['an open string that eats the rest', '{"jsonrpc":"2.0","id":1,"method":"ping}', PARSE_ERROR],
    ['closers first', ']]]]}}}}', PARSE_ERROR],
    ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"ping"}]', INVALID_REQUEST],
    ['an empty batch', '[]', INVALID_REQUEST],
    ['null', 'null', INVALID_REQUEST],
    ['a string', '"ping"', INVALID_REQUEST],
    ['an empty object', '{}', INVALID_REQUEST],
    ['no version', '{"id":1,"method":"ping"}', INVALID_REQUEST, 1],
    ['version 1.0', '{"jsonrpc":"1.0","id":1,"method":"ping"}', INVALID_REQUEST, 1],
    ['version 2.0 as a number', '{"jsonrpc":2.0,"id":1,"method":"ping"}', INVALID_REQUEST, 1],
    ['id null', '{"jsonrpc":"2.0","id":null,"method":"ping"}', INVALID_REQUEST],
    ['id 1.5', '{"jsonrpc":"2.0","id":1.5,"method":"ping"}', INVALID_REQUEST],
    ['id true', '{"jsonrpc":"2.0","id":true,"method":"ping"}', INVALID_REQUEST],
    ['id as an object', '{"jsonrpc":"2.0","id":{},"method":"ping"}', INVALID_REQUEST],
    ['id too big to be exact', '{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}', INVALID_REQUEST],
    ['id too long', `{"jsonrpc":"2.0","id":"${'a'.repeat(257)}","method":"ping"}`, INVALID_REQUEST],
    ['method as a number', '{"jsonrpc":"2.0","id":1,"method":1}', INVALID_REQUEST, 1],
    ['no method name', '{"jsonrpc":"2.0","id":1,"method":""}', INVALID_REQUEST, 1],
    ['a method name too long', `{"jsonrpc":"2.0","id":1,"method":"${'a'.repeat(129)}"}`, INVALID_REQUEST, 1],
    ['method and result', '{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}', INVALID_REQUEST, 1],
    [
      'result and error',
      '{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}',
      INVALID_REQUEST,
      1,
    ],
    ['result without id', '{"jsonrpc":"2.0","result":{}}', INVALID_REQUEST],
    ['result with id null', '{"jsonrpc":"2.0","id":null,"result":{}}', INVALID_REQUEST],
    ['result null', '{"jsonrpc":"2.0","id":1,"result":null}', INVALID_REQUEST, 1],
    ['result as an array', '{"jsonrpc":"2.0","id":1,"result":[]}', INVALID_REQUEST, 1],
    ['error without code', '{"jsonrpc":"2.0","id":1,"error":{"message":"a"}}', INVALID_REQUEST, 1],
    [
      'error with code 1.5',
      '{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":"a"}}',
      INVALID_REQUEST,
      1,
    ],
    ['error without message', '{"jsonrpc":"2.0","id":1,"error":{"code":1}}', INVALID_REQUEST, 1],
    ['a member nobody knows', '{"jsonrpc":"2.0","id":1,"method":"ping","extra":1}', INVALID_REQUEST, 1],
    [
      '__proto__ beside method',
      '{"jsonrpc":"2.0","id":1,"method":"ping","__proto__":{}}',
      INVALID_REQUEST,
      1,
    ],
    ['params as an array', '{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', INVALID_PARAMS, 1],
    ['params null', '{"jsonrpc":"2.0","id":1,"method":"ping","params":null}', INVALID_PARAMS, 1],
    ['_meta as a string', call('"_meta":"a"'), INVALID_PARAMS, 1],
    ['the method twice', '{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}', INVALID_REQUEST],
    ['the name twice', call('"name":"echo","name":"printEnv"'), INVALID_REQUEST],
    ['the name twice by an escape', call(String.raw`"name":"echo","n\u0061me":"printEnv"`), INVALID_REQUEST],
    ['__proto__ twice', call('"__proto__":1,"__proto__":2'), INVALID_REQUEST],
    ['a name twice deep in an array', call('"a":[[{"b":[{"x":1,"x":1}]}]]'), INVALID_REQUEST],
    ['an empty name twice', call('"":1,"":2'), INVALID_REQUEST],
    ['65 deep', call(`"a":${nested(63)}`), INVALID_REQUEST],
    ['a million deep', '['.repeat(1_000_000), INVALID_REQUEST],
    ['10,001 members', call(members(10_001 - 4)), INVALID_REQUEST],
    ['a number beyond all', call('"a":1e999'), INVALID_REQUEST],
  ])('%s', (_, text, code, id) => {
    const parsed = parseMessage(utf8(text));
    expect(parsed).toMatchObject({ ok: false, code });
    expect('id' in parsed ? parsed.id : undefined).toBe(id);
  });

  it.each([
    ['a lone continuation byte', [0x22, 0x80, 0x22]],
    ['an overlong quote', [0xc0, 0xa2]],
    ['a surrogate in UTF-8', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['UTF-16', [0xff, 0xfe, 0x7b, 0x00]],
    ['a cut sequence', [0x22, 0xf0, 0x9f, 0x98]],
  ])('%s', (_, bytes) => {
    expect(parseMessage(Uint8Array.from(bytes))).toMatchObject({ ok: false, code: PARSE_ERROR });
  });

  it('says nothing of the message in what it answers', () => {
    const parsed = parseMessage(utf8(call('"secret":"canary","secret":"canary"')));
    expect(JSON.stringify(parsed)).not.toContain('canary');
  });
});

/** The second opinion: a parser written by others that tells every member. */
const hasDuplicates = (text: string): boolean => {
  const objects: Set<string>[] = [];
  let found = false;
  visit(text, {
    onObjectBegin: () => void objects.push(new Set()),
    onObjectEnd: () => void objects.pop(),
    onObjectProperty: (name) => {
      const names = objects.at(-1);
      if (names?.has(name) === true) found = true;
      names?.add(name);
    },
  });
  return found;
};

/** JSON text with names that collide often, written in several ways. */
const { text: jsonText } = fc.letrec<{ text: string }>((tie) => ({
  text: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.jsonValue({ maxDepth: 1 }).map((value) => JSON.stringify(value)),
    fc
      .array(
        fc.tuple(
          fc.constantFrom('"a"', String.raw`"\u0061"`, '"b"', '"__proto__"', String.raw`"\":"`),
          tie('text'),
        ),
        { maxLength: 4 },
      )
      .map((entries) => `{${entries.map(([name, value]) => `${name}: ${value}`).join(' ,')}}`),
    fc.array(tie('text'), { maxLength: 3 }).map((items) => `[${items.join(',')}]`),
  ),
}));

describe('properties', () => {
  it('refuses a name given twice exactly where an independent parser sees one', () => {
    let duplicates = 0;
    fc.assert(
      fc.property(jsonText, (inside) => {
        const text = call(`"a":${inside}`);
        const expected = hasDuplicates(text);
        if (expected) duplicates += 1;
        expect(parseMessage(utf8(text)).ok).toBe(!expected);
      }),
      { numRuns: 1000 },
    );
    expect(duplicates).toBeGreaterThan(20);
  });

  it('agrees with JSON.parse on what it accepts', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = call(`"a":${JSON.stringify(value)}`);
        expect(parseMessage(utf8(text))).toStrictEqual({ ok: true, message: JSON.parse(text) as JsonValue });
      }),
    );
  });

  it('answers any bytes without a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(typeof parseMessage(bytes).ok).toBe('boolean');
      }),
    );
  });

  it('answers a message with one byte changed without a throw, and never with another reading than JSON.parse', () => {
    const base = utf8(call(String.raw`"name":"echo","arguments":{"a":[1,{"b":"\\"}],"c":null}`));
    fc.assert(
      fc.property(fc.nat(base.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const bytes = Uint8Array.from(base);
        bytes[at] = byte;
        const parsed = parseMessage(bytes);
        if (parsed.ok) expect(parsed.message).toStrictEqual(JSON.parse(new TextDecoder().decode(bytes)));
      }),
      { numRuns: 2000 },
    );
  });

  it('answers a long run of escapes in time that grows with its length', () => {
    const text = call(`"a":"${'\\\\'.repeat(500_000)}"`);
    const start = performance.now();
    expect(parseMessage(utf8(text)).ok).toBe(true);
    expect(parseMessage(utf8(call(`"a":"${String.raw`\"`.repeat(500_000)}"`))).ok).toBe(true);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
