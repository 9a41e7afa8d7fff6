/** What a line of a batch is answered, beyond what its fields say. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createCache } from '@sallyport/x509';
import { describe, expect, test } from 'vitest';
import { answerCase } from './case-answer.ts';

const vectors = fileURLToPath(new URL('../../test/vectors/certs/', import.meta.url));
const pem = (name: string): string => readFileSync(`${vectors}${name}`, 'latin1');
const der = (name: string): string => readFileSync(`${vectors}${name}`, 'base64');
const good = {
  id: 1,
  anchors: [pem('root.pem')],
  intermediates: [pem('sub.pem')],
  leaf: der('leaf.der'),
  time: '2026-05-31T00:00:00Z',
};
const ask = (more: object) => answerCase(Buffer.from(JSON.stringify({ ...good, ...more })), createCache());

/** CRLs and the OCSP answer are of midnight. */
const lists = { crls: [pem('root-crl.pem'), der('sub-crl.der')] };
const answers = { anchors: [pem('sub.pem')], intermediates: [], ocsp: [der('leaf-ocsp.der')] };
const early = { time: '2026-05-30T23:59:59Z' };

describe('the time of a case is exact', () => {
  test.each([
    ['at thisUpdate of its CRLs', lists, { valid: true }],
    ['at thisUpdate of its answer', answers, { valid: true }],
    ['a second before its CRLs', { ...lists, ...early }, { valid: false, reason: 'revocation_unknown' }],
    ['a second before its answer', { ...answers, ...early }, { valid: false, reason: 'revocation_unknown' }],
  ])('%s', (_title, more, expected) => {
    expect(ask(more)).toMatchObject({ id: 1, ...expected });
  });
});

describe('an answer is short', () => {
  test.each([
    ['a name of a million characters', { names: [{ kind: 'dns', value: 'ü'.repeat(1_000_000) }] }],
    ['a name of surrogates', { names: [{ kind: 'dns', value: '\u{1F600}'.repeat(1_000_000) }] }],
    ['ten thousand broken CRLs', { crls: Array.from({ length: 10_000 }, () => 'x') }],
    ['a field of a million characters', { ['x'.repeat(1_000_000)]: 1 }],
  ])('%s', (_title, more) => {
    const { valid, detail = '' } = ask(more);
    expect(valid).toBe(false);
    expect(detail.length).toBeLessThan(2_100);
    expect(detail.isWellFormed()).toBe(true);
  });
});

test('what a thousand broken intermediates were left out for is cut in a valid answer too', () => {
  const { valid, detail = '' } = ask({
    intermediates: [pem('sub.pem'), ...Array.from({ length: 900 }, () => 'x')],
  });
  expect(valid).toBe(true);
  expect(detail).toMatch(/^intermediate 2 is not PEM/u);
  expect(detail.length).toBeLessThan(2_100);
});
