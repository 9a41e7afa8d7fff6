import { expect, test } from 'vitest';
import { UsageError } from '../exit.ts';
import { callOf, type ArgumentOptions } from './call-arguments.ts';

const CALL = 'context.tools.call';

test.each<[string, ArgumentOptions, unknown]>([
  [
    'numbers, booleans, null and text',
    { argument: ['a=1', 'b=true', 'c=null', 'd=x y', 'e="1"'] },
    { a: 1, b: true, c: null, d: 'x y', e: '1' },
  ],
  ['an empty text', { argument: ['a='] }, { a: '' }],
  ['an equals sign in the value', { argument: ['a=b=c'] }, { a: 'b=c' }],
  ['pointers', { argument: ['/to/iban=DE1', '/to/name=x', 'a=1'] }, { to: { iban: 'DE1', name: 'x' }, a: 1 }],
  ['an escaped pointer', { argument: ['/a~1b~0c=1'] }, { 'a/b~c': 1 }],
  ['a whole value', { argument: ['a={"b":[1]}'] }, { a: { b: [1] } }],
  ['the whole', { arguments: '{"a":{"b":1}}' }, { a: { b: 1 } }],
  ['nothing at all: a call without', {}, {}],
])('%s', (_what, options, value) => {
  expect(callOf(CALL, options)).toEqual({ case: 'arguments', value });
});

test('a name of the prototype is a name', () => {
  const call = callOf(CALL, { argument: ['/__proto__/a=1'] });
  expect(JSON.stringify(call)).toBe('{"case":"arguments","value":{"__proto__":{"a":1}}}');
});

test('any, and what is no call', () => {
  expect(callOf(CALL, { anyArguments: true })).toEqual({ case: 'anyArguments', value: true });
  expect(callOf('message.send', {})).toEqual({ case: undefined });
});

test.each<[string, ArgumentOptions]>([
  ['no value', { argument: ['a'] }],
  ['no name', { argument: ['=1'] }],
  ['twice', { argument: ['a=1', '/a=2'] }],
  ['through a value', { argument: ['a=1', '/a/b=2'] }],
  ['over an object', { argument: ['/a/b=2', 'a=1'] }],
  ['a list', { arguments: '[1]' }],
  ['no JSON', { arguments: 'a=1' }],
  ['two ways at once', { argument: ['a=1'], arguments: '{}' }],
  ['two other ways', { argument: ['a=1'], anyArguments: true }],
])('refused: %s', (_what, options) => {
  expect(() => callOf(CALL, options)).toThrow(UsageError);
});
