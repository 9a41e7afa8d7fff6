/** What this package promises to its users: the names that it exports, each in the README, and inputs that are plain objects. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { general, issue } from '../test/support/pki.ts';
import * as fetching from './fetch/index.ts';
import * as x509 from './index.ts';

const EXPORTS = [
  'DEFAULT_ALGORITHMS',
  'DEFAULT_LIMITS',
  'PROFILES',
  'REASONS',
  'anchorFrom',
  'anchorFromKey',
  'certificateText',
  'createCache',
  'createValidator',
  'encodeOcspRequest',
  'generalNameText',
  'isDer',
  'matchName',
  'nameText',
  'parseCertificate',
  'parseCertificateCached',
  'parseCertificateList',
  'parseCertificates',
  'parseOcspResponse',
  'parseSpiffeId',
  'readPem',
  'readPemBlocks',
  'sameName',
  'unsafeLegacyAlgorithms',
  'webpkiProfile',
];
const FETCH_EXPORTS = ['cachingFetcher', 'httpFetcher', 'isPublicAddress', 'onlineValidator'];

describe('exports', () => {
  it('of the package', () => {
    expect(Object.keys(x509).toSorted()).toEqual(EXPORTS);
  });

  it('of its fetch module', () => {
    expect(Object.keys(fetching).toSorted()).toEqual(FETCH_EXPORTS);
  });

  const readme = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8');
  it.each([...EXPORTS, ...FETCH_EXPORTS])('%s is in the README', (name) => {
    expect(readme).toMatch(new RegExp(String.raw`\b${name}\b`, 'u'));
  });

  it.each(x509.REASONS)('the reason %s is in the README', (reason) => {
    expect(readme).toContain(`\`${reason}\``);
  });

  it.each(Object.entries<number>({ ...x509.DEFAULT_LIMITS }))(
    'the limit %s is in the README as it is',
    (name, limit) => {
      const text = limit.toLocaleString('en');
      expect(readme).toMatch(new RegExp(`[|] .${name}. +[|] ${text} +[|]`, 'u'));
    },
  );
});

describe('a validator that is given plain objects', () => {
  const root = issue({ subject: 'root', ca: true });
  const leaf = issue({ issuer: root, names: [general.dns('a.example')] }).certificate;
  const at = new Date(leaf.validity.notBeforeMs);
  const validator = x509.createValidator({ anchors: [x509.anchorFrom(root.certificate)] });

  it('takes a clone of a certificate for what it is', () => {
    const result = validator.validate(structuredClone(leaf), { at });
    expect(result.valid && result.path[0]?.fingerprint).toBe(leaf.fingerprint);
  });

  it.each([
    ['example', true],
    ['b.example', false],
  ])('takes %s as the only permitted subtree', (value, valid) => {
    const permitted = [{ base: { kind: 'dns', value }, minimum: 0, maximum: undefined } as const];
    const result = validator.validate(leaf, { at, nameConstraints: { permitted, excluded: undefined } });
    expect(result.valid).toBe(valid);
  });
});
