import { inspect } from 'node:util';
import { expect, it } from 'vitest';
import { utf8 } from './bytes.ts';
import { Secret } from './secret.ts';

const hidden = () => new Secret(utf8('canary'));

it.each([
  ['String()', String],
  ['a template', (secret: Secret) => `${secret.toString()}`],
  ['JSON', (secret: Secret) => JSON.stringify({ secret })],
  ['inspect', (secret: Secret) => inspect({ secret }, { showHidden: true, depth: 9 })],
  ['the keys', (secret: Secret) => JSON.stringify(Object.entries(secret)) + '[secret]'],
])('does not show through %s', (_name, show) => {
  const shown = show(hidden());
  expect(shown).toContain('[secret]');
  expect(shown).not.toContain('canary');
  expect(shown).not.toContain('99, 97, 110');
});

it('lends its bytes', () => {
  expect(hidden().use((bytes) => bytes.length)).toBe(6);
});

it('is gone once wiped, in place', () => {
  const bytes = utf8('canary');
  const secret = new Secret(bytes);
  secret.wipe();
  secret.wipe();
  expect(bytes).toEqual(new Uint8Array(6));
  expect(secret.length).toBe(0);
  expect(() => secret.use((value) => value)).toThrow('wiped');
});

it('is wiped at the end of its scope', () => {
  const bytes = utf8('canary');
  {
    using secret = new Secret(bytes);
    expect(secret.length).toBe(6);
  }
  expect(bytes).toEqual(new Uint8Array(6));
});
