import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, UNSUPPORTED_PROTOCOL_VERSION } from './errors.ts';
import { decodeHeaderValue, encodeHeaderValue } from './header-value.ts';
import { checkHeaders, mirrorHeaders, revisionOf, type HeaderSource } from './headers.ts';
import type { JsonObject, JsonValue, Request } from './message.ts';
import { META } from './meta.ts';
import { toolHeaders } from './tool-headers.ts';

const meta = { [META.protocolVersion]: '2026-07-28', [META.clientCapabilities]: {} };
const request = (method: string, params: JsonObject = {}): Request => ({
  jsonrpc: '2.0',
  id: 1,
  method,
  params: { ...params, _meta: meta },
});
const lower = (headers: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
const echo = request('tools/call', {
  name: 'echo',
  arguments: { region: 'us-west1', count: 42, deep: { on: true } },
});
const schema: JsonValue = {
  type: 'object',
  properties: {
    region: { type: 'string', 'x-mcp-header': 'Region' },
    count: { type: 'integer', 'x-mcp-header': 'Count' },
    deep: { type: 'object', properties: { on: { type: 'boolean', 'x-mcp-header': 'On' } } },
  },
};
const right = lower(mirrorHeaders(echo, schema));

describe('headers that agree', () => {
  it('are those that mirrorHeaders makes', () => {
    expect(mirrorHeaders(echo, schema)).toStrictEqual({
      'MCP-Protocol-Version': '2026-07-28',
      'Mcp-Method': 'tools/call',
      'Mcp-Name': 'echo',
      'Mcp-Param-Region': 'us-west1',
      'Mcp-Param-Count': '42',
      'Mcp-Param-On': 'true',
    });
    expect(checkHeaders(right, echo, schema)).toBeUndefined();
  });

  it.each<[string, HeaderSource, Request | undefined]>([
    ['a number written differently', { ...right, 'mcp-param-count': '42.0' }, echo],
    ['a name in Base64 although it need not be', { ...right, 'mcp-name': '=?base64?ZWNobw==?=' }, echo],
    ['white space around', { ...right, 'mcp-name': ' echo\t' }, echo],
    ['a header nobody declared', { ...right, 'mcp-param-other': 'x' }, echo],
    ['no name where the method has none', lower(mirrorHeaders(request('tools/list'))), request('tools/list')],
    [
      'a name where the method has none',
      { ...lower(mirrorHeaders(request('tools/list'))), 'mcp-name': 'x' },
      request('tools/list'),
    ],
  ])('%s', (_, headers, message) => {
    expect(checkHeaders(headers, message ?? echo, schema)).toBeUndefined();
  });

  it('are not demanded of a notification', () => {
    expect(checkHeaders({}, { jsonrpc: '2.0', method: 'notifications/cancelled' })).toBeUndefined();
  });

  it('are not expected for null and absent arguments', () => {
    const call = request('tools/call', { name: 'echo', arguments: { region: null } });
    expect(mirrorHeaders(call, schema)).not.toHaveProperty('Mcp-Param-Region');
    expect(checkHeaders(lower(mirrorHeaders(call, schema)), call, schema)).toBeUndefined();
  });

  it('do not reach the prototype through a path', () => {
    const hostile = {
      properties: { constructor: { properties: { name: { type: 'string', 'x-mcp-header': 'X' } } } },
    };
    expect(mirrorHeaders(echo, hostile)).not.toHaveProperty('Mcp-Param-X');
  });
});

const without = (name: string): HeaderSource =>
  Object.fromEntries(Object.entries(right).filter(([key]) => key !== name));

describe('headers that do not', () => {
  it.each<[string, HeaderSource]>([
    ['no version', without('mcp-protocol-version')],
    ['no method', without('mcp-method')],
    ['no name', without('mcp-name')],
    ['no parameter', without('mcp-param-region')],
    ['another version', { ...right, 'mcp-protocol-version': '2025-11-25' }],
    ['another method', { ...right, 'mcp-method': 'tools/list' }],
    ['another method by case', { ...right, 'mcp-method': 'Tools/Call' }],
    ['another name', { ...right, 'mcp-name': 'printEnv' }],
    ['another name in Base64', { ...right, 'mcp-name': encodeHeaderValue('printEnv ') }],
    ['a name in Base64 that is none', { ...right, 'mcp-name': '=?base64?ZWNo*w==?=' }],
    ['a name in Base64 with bits set', { ...right, 'mcp-name': '=?base64?ZWNobx==?=' }],
    ['a name in Base64 that is not UTF-8', { ...right, 'mcp-name': '=?base64?/w==?=' }],
    ['a name with bytes above ASCII', { ...right, 'mcp-name': 'ech\u00f6' }],
    ['a name twice', { ...right, 'mcp-name': ['echo', 'printEnv'] }],
    ['a name joined', { ...right, 'mcp-name': 'echo, echo' }],
    ['another parameter', { ...right, 'mcp-param-region': 'eu-west1' }],
    ['another number', { ...right, 'mcp-param-count': '43' }],
    ['a number in hexadecimal', { ...right, 'mcp-param-count': '0x2a' }],
    ['another boolean', { ...right, 'mcp-param-on': 'True' }],
  ])('%s', (_, headers) => {
    expect(checkHeaders(headers, echo, schema)).toMatchObject({ status: 400, code: HEADER_MISMATCH });
  });

  it.each<[string, JsonObject]>([
    ['no version in the body', { [META.clientCapabilities]: {} }],
    ['no capabilities in the body', { [META.protocolVersion]: '2026-07-28' }],
    ['capabilities that are no object', { ...meta, [META.clientCapabilities]: [] }],
  ])('%s', (_, inside) => {
    const message: Request = { ...echo, params: { name: 'echo', _meta: inside } };
    expect(checkHeaders(right, message)).toMatchObject({ status: 400, code: INVALID_PARAMS });
  });

  it('a response', () => {
    expect(checkHeaders(right, { jsonrpc: '2.0', id: 1, result: {} })).toMatchObject({
      code: INVALID_REQUEST,
    });
  });
});

describe('values', () => {
  it.each([
    ['us-west1', 'us-west1'],
    ['Hello, 世界', '=?base64?SGVsbG8sIOS4lueVjA==?='],
    [' padded ', '=?base64?IHBhZGRlZCA=?='],
    ['line1\nline2', '=?base64?bGluZTEKbGluZTI=?='],
    ['=?base64?literal?=', '=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?='],
    ['', '=?base64??='],
    ['a b\tc', 'a b\tc'],
  ])('%j is %s', (value, encoded) => {
    expect(encodeHeaderValue(value)).toBe(encoded);
    expect(decodeHeaderValue(encoded)).toBe(value);
  });

  it('come back from any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const encoded = encodeHeaderValue(value);
        expect(encoded).toMatch(/^[\x20-\x7e\t]*$/);
        expect(decodeHeaderValue(encoded)).toBe(value);
      }),
    );
  });

  it('agree for any call of our own', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.string({ unit: 'binary' }),
        fc.maxSafeInteger(),
        (name, region, count) => {
          const message = request('tools/call', { name, arguments: { region, count } });
          expect(checkHeaders(lower(mirrorHeaders(message, schema)), message, schema)).toBeUndefined();
        },
      ),
    );
  });
});

describe('declarations', () => {
  const property = (inside: JsonObject): JsonObject => ({ type: 'object', properties: { a: inside } });
  it.each<[string, JsonValue]>([
    ['empty', property({ type: 'string', 'x-mcp-header': '' })],
    ['not text', property({ type: 'string', 'x-mcp-header': 1 })],
    ['with a space', property({ type: 'string', 'x-mcp-header': 'A B' })],
    ['with a line break', property({ type: 'string', 'x-mcp-header': 'A\r\nB' })],
    ['on a number', property({ type: 'number', 'x-mcp-header': 'A' })],
    ['on an object', property({ type: 'object', 'x-mcp-header': 'A' })],
    ['without a type', property({ 'x-mcp-header': 'A' })],
    ['at the root', { type: 'string', 'x-mcp-header': 'A' }],
    [
      'twice by case',
      {
        properties: {
          a: { type: 'string', 'x-mcp-header': 'A' },
          b: { type: 'string', 'x-mcp-header': 'a' },
        },
      },
    ],
    ['under items', property({ type: 'array', items: { type: 'string', 'x-mcp-header': 'A' } })],
    ['under anyOf', property({ anyOf: [{ type: 'string', 'x-mcp-header': 'A' }] })],
    ['under $defs', { $defs: { a: { type: 'string', 'x-mcp-header': 'A' } } }],
    // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
    ['under then', { then: { properties: { a: { type: 'string', 'x-mcp-header': 'A' } } } }],
    ['under patternProperties', { patternProperties: { a: { type: 'string', 'x-mcp-header': 'A' } } }],
  ])('%s are a fault', (_, inputSchema) => {
    expect(toolHeaders(inputSchema).fault).toBeTypeOf('string');
  });

  it.each<[string, JsonValue]>([
    ['a property of that name', { properties: { 'x-mcp-header': { type: 'string' } } }],
    ['an example of it', property({ type: 'object', default: { 'x-mcp-header': 'A' } })],
    ['nothing', null],
    ['text', 'x-mcp-header'],
  ])('%s is none', (_, inputSchema) => {
    expect(toolHeaders(inputSchema)).toStrictEqual({ headers: [] });
  });

  it('answers any JSON without a throw', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => void toolHeaders(value as JsonValue)));
  });
});

describe('revisionOf', () => {
  const plain = (method: string): Request => ({ jsonrpc: '2.0', id: 1, method });
  it.each<[string, HeaderSource, Request, string | number]>([
    ['the body names 2026-07-28', { 'mcp-protocol-version': '2026-07-28' }, echo, '2026-07-28'],
    ['the body names it and no header', {}, echo, '2026-07-28'],
    [
      'the body names it and the header another',
      { 'mcp-protocol-version': '2025-11-25' },
      echo,
      HEADER_MISMATCH,
    ],
    ['only the header names it', { 'mcp-protocol-version': '2026-07-28' }, plain('ping'), '2026-07-28'],
    ['a session header', { 'mcp-protocol-version': '2025-06-18' }, plain('ping'), '2025-06-18'],
    ['no header', {}, plain('ping'), '2025-03-26'],
    ['initialize', {}, plain('initialize'), '2025-11-25'],
    [
      'initialize with an unknown header',
      { 'mcp-protocol-version': '2099-01-01' },
      plain('initialize'),
      '2025-11-25',
    ],
    [
      'an unknown header',
      { 'mcp-protocol-version': '2024-11-05' },
      plain('ping'),
      UNSUPPORTED_PROTOCOL_VERSION,
    ],
    [
      'an unknown version in the body',
      { 'mcp-protocol-version': '1900-01-01' },
      { ...plain('ping'), params: { _meta: { [META.protocolVersion]: '1900-01-01' } } },
      UNSUPPORTED_PROTOCOL_VERSION,
    ],
    [
      'a version that is no text',
      {},
      { ...plain('ping'), params: { _meta: { [META.protocolVersion]: 1 } } },
      INVALID_PARAMS,
    ],
  ])('%s', (_, headers, message, expected) => {
    const answer = revisionOf(headers, message);
    expect(answer.ok ? answer.revision : answer.problem.code).toBe(expected);
  });
});
