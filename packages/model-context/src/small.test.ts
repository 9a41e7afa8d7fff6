import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { argumentsDigest, canonicalForm, toolDigest } from './digest.ts';
import { errorResponse, resultResponse } from './errors.ts';
import {
  eventParser,
  EventStreamError,
  formatEvent,
  KEEP_ALIVE,
  type IncomingEvent,
} from './event-stream.ts';
import type { JsonValue, Message, Request } from './message.ts';
import { withMeta } from './meta.ts';
import { operationOf } from './operation.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const hex = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('digests', () => {
  it('do not depend on order', () => {
    expect(argumentsDigest({ b: 1, a: [{ d: 2, c: 3 }] })).toBe(hex('{"a":[{"c":3,"d":2}],"b":1}'));
  });
  it('take absent arguments for none', () => {
    expect(argumentsDigest(undefined)).toBe(hex('{}'));
  });
  it('of RFC 8785 section 3.2.3, its own example', () => {
    const value = JSON.parse(
      String.raw`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`,
    ) as JsonValue;
    expect(canonicalForm(value)).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    );
  });
  it.each<[string, JsonValue, JsonValue]>([
    ['two lone surrogates', '\ud800', '\ud801'],
    ['a lone surrogate and its escape as text', '\ud800', String.raw`\ud800`],
    ['one in a name', { '\ud800': 1 }, { '\ud801': 1 }],
  ])('differ for %s', (_, one, other) => {
    expect(argumentsDigest(one)).not.toBe(argumentsDigest(other));
  });
  it('are the same for the same members in another order', () => {
    const reversed = (value: JsonValue): JsonValue => {
      if (Array.isArray(value)) return value.map(reversed);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .toReversed()
          .map(([name, inner]) => [name, reversed(inner)]),
      );
    };
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(argumentsDigest(reversed(value as JsonValue))).toBe(argumentsDigest(value as JsonValue));
        expect(JSON.parse(canonicalForm(value as JsonValue))).toStrictEqual(
          JSON.parse(JSON.stringify(value)),
        );
      }),
    );
  });

  const tool = { name: 'a', description: 'b', inputSchema: { type: 'object' } };
  it.each(['name', 'title', 'description', 'inputSchema', 'outputSchema', 'annotations'])(
    'pin %s',
    (name) => {
      expect(toolDigest({ ...tool, [name]: { changed: true } })).not.toBe(toolDigest(tool));
    },
  );
  it.each(['icons', '_meta', 'execution'])('leave %s free', (name) => {
    expect(toolDigest({ ...tool, [name]: { changed: true } })).toBe(toolDigest(tool));
  });
});

describe('operationOf', () => {
  const of = (method: string, params?: Request['params']): unknown =>
    operationOf({ jsonrpc: '2.0', id: 1, method, ...(params === undefined ? {} : { params }) });
  it.each<[string, Request['params'], object]>([
    [
      'tools/call',
      { name: 'echo', arguments: { a: 1 } },
      { kind: 'tool', target: 'echo', arguments: { a: 1 } },
    ],
    ['tools/call', { name: 'echo' }, { kind: 'tool', target: 'echo', arguments: {} }],
    ['tools/call', {}, { kind: 'tool', arguments: {} }],
    ['tools/call', { name: 7 }, { kind: 'tool', arguments: {} }],
    [
      'prompts/get',
      { name: 'p', arguments: { x: 'y' } },
      { kind: 'prompt', target: 'p', arguments: { x: 'y' } },
    ],
    ['resources/read', { uri: 'file:///a' }, { kind: 'resource', target: 'file:///a' }],
    ['resources/subscribe', { uri: 'file:///a' }, { kind: 'resource', target: 'file:///a' }],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 'p' } }, { kind: 'prompt', target: 'p' }],
    [
      'completion/complete',
      { ref: { type: 'ref/resource', uri: 'a{b}' } },
      { kind: 'resource', target: 'a{b}' },
    ],
    ['tools/list', undefined, { kind: 'server' }],
    ['constructor', undefined, { kind: 'server' }],
  ])('%s %j', (method, params, expected) => {
    expect(of(method, params)).toStrictEqual({ method, ...expected });
  });
});

describe('event streams', () => {
  const collect = (chunks: readonly Uint8Array[], bounds?: { maxEventLength: number }): IncomingEvent[] => {
    const events: IncomingEvent[] = [];
    const parser = eventParser((event) => void events.push(event), bounds);
    for (const chunk of chunks) parser.push(chunk);
    return events;
  };
  const message: Message = { jsonrpc: '2.0', id: 1, result: { text: 'a\nb\r\u2028ü' } };

  it('come back whatever the chunks are', () => {
    const bytes = utf8(KEEP_ALIVE + formatEvent({ id: 'x', retryMs: 5 }) + formatEvent({ message, id: 'y' }));
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const events = collect(at.slice(1).map((end, index) => bytes.slice(at[index], end)));
        expect(events).toStrictEqual([
          { data: '', id: 'x', retryMs: 5 },
          { data: JSON.stringify(message), id: 'y' },
        ]);
      }),
    );
  });
  it('cannot be broken out of by an id', () => {
    expect(formatEvent({ id: 'a\n\ndata: b' })).toBe('id: adata: b\ndata: \n\n');
  });
  it('leave other types out', () => {
    expect(collect([utf8('event: endpoint\ndata: /x\n\ndata: {}\n\n')])).toStrictEqual([{ data: '{}' }]);
  });
  it('are bounded while an event has not ended', () => {
    const flood = Array.from({ length: 40 }, () => utf8(`data: ${'a'.repeat(100)}\n`));
    expect(() => collect(flood, { maxEventLength: 1000 })).toThrow(EventStreamError);
  });
  it('are bounded where a line has not ended', () => {
    expect(() => collect([utf8(`data: ${'a'.repeat(5000)}`)], { maxEventLength: 1000 })).toThrow(
      EventStreamError,
    );
  });
  it('must be UTF-8', () => {
    expect(() => collect([Uint8Array.from([0x64, 0xff])])).toThrow(EventStreamError);
  });
  it('answer any bytes with events or with that error', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (chunks) => {
        try {
          collect(chunks, { maxEventLength: 64 });
        } catch (error) {
          expect(error).toBeInstanceOf(EventStreamError);
        }
      }),
    );
  });
});

describe('responses and _meta', () => {
  it('are exact', () => {
    expect(errorResponse(undefined, 1, 'a')).toStrictEqual({
      jsonrpc: '2.0',
      error: { code: 1, message: 'a' },
    });
    expect(errorResponse(null, 1, 'a', 0)).toStrictEqual({
      jsonrpc: '2.0',
      id: null,
      error: { code: 1, message: 'a', data: 0 },
    });
    expect(resultResponse('x', {})).toStrictEqual({ jsonrpc: '2.0', id: 'x', result: {} });
  });
  it('withMeta sets, takes away and leaves nothing empty', () => {
    const ping: Request = { jsonrpc: '2.0', id: 1, method: 'ping' };
    expect(withMeta(ping, { a: undefined })).toStrictEqual(ping);
    expect(withMeta(ping, { a: 1 })).toStrictEqual({ ...ping, params: { _meta: { a: 1 } } });
    expect(withMeta({ ...ping, params: { x: 1, _meta: { a: 1 } } }, { a: undefined })).toStrictEqual({
      ...ping,
      params: { x: 1 },
    });
  });
});
