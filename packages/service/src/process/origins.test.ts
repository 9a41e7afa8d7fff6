import { expect, test } from 'vitest';
import { isPageOrigin, isPublicOrigin } from './origins.ts';

test.each<[string, boolean, boolean]>([
  ['https://gateway.example', true, true],
  ['https://localhost:8443', true, true],
  ['https://[::1]:8443', true, true],
  ['http://localhost:3000', false, true],
  ['app://desktop', false, true],
  ['https://gateway.example:443', false, false],
  ['https://Gateway.example', false, false],
  ['https://gateway.example/', false, false],
  ['https://gateway.example/mcp', false, false],
  ['https://user@gateway.example', false, false],
  ['file://', false, false],
  ['gateway.example', false, false],
  ['null', false, false],
  ['', false, false],
])('%j', (value, isPublic, isPage) => {
  expect([isPublicOrigin(value), isPageOrigin(value)]).toEqual([isPublic, isPage]);
});
