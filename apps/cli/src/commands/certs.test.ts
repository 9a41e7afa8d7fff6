/** `certs show` and `certs verify` on files and on batches, without service and state folder. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { runCommand } from '../../test/support/command-line.ts';
import { temporaryHome } from '../../test/support/temporary-home.ts';
import { expectedName } from '../certs/verify.ts';

/** Inside of an object a bare pattern would be equal to any value. */
const like = (pattern: RegExp): string => expect.stringMatching(pattern) as string;

const folder = fileURLToPath(new URL('../../test/vectors/certs/', import.meta.url));
const file = (name: string): string => join(folder, name);
const AT = '2026-06-01T00:00:00Z';
/** A folder that is not there: nothing may want it. */
const env = { SALLYPORT_HOME: '/nonexistent' };
const verify = (...args: string[]) =>
  runCommand(
    ['certs', 'verify', '--anchors', file('root.pem'), '--leaf', file('chain.pem'), '--time', AT, ...args],
    { env },
  );

describe('verify', () => {
  test('a valid certificate', async () => {
    const { code, out, err } = await verify();
    expect([code, err]).toEqual([0, '']);
    expect(out.split('\n')).toEqual([
      'Valid at 2026-06-01T00:00:00Z, until 2035-01-01T00:00:00Z at most',
      '  leaf    CN=leaf',
      '  issuer  CN=sub',
      String.raw`  anchor  CN=root,O=Example\, Inc.`,
      '',
    ]);
  });

  const accepted: [title: string, args: string[]][] = [
    [
      'its names and purpose',
      ['--name', 'a.example', '--name', '192.0.2.1', '--name', 'a@b.example', '--purpose', 'server'],
    ],
    ['an extended key usage', ['--eku', '1.3.6.1.5.5.7.3.1']],
    ['good CRLs', ['--crl', file('root-crl.pem'), '--crl', file('sub-crl.der')]],
    ['either', ['--crl', file('root-crl.pem'), '--ocsp', file('leaf-ocsp.der')]],
    ['unknown status with --soft', ['--ocsp', file('leaf-ocsp.der'), '--soft']],
    ['evidence that is not asked for', ['--crl', file('sub-crl-with-leaf.der'), '--revocation', 'none']],
    ['a depth of one', ['--max-depth', '1']],
  ];
  test.each(accepted)('valid: %s', async (_title, args) => {
    const { code, out } = await verify(...args);
    expect([code, out]).toEqual([0, expect.stringMatching(/^Valid at/u)]);
  });

  const refused: [title: string, args: string[], reason: string][] = [
    ['another name', ['--name', 'b.example'], 'name_mismatch'],
    ['another purpose', ['--purpose', 'client'], 'extended_key_usage'],
    ['after its time', ['--time', '2036-01-01T00:00:00Z'], 'expired'],
    ['before its time', ['--time', '2024-01-01T00:00:00Z'], 'not_yet_valid'],
    ['revoked', ['--crl', file('root-crl.pem'), '--crl', file('sub-crl-with-leaf.der')], 'revoked'],
    ['a CRL is missing', ['--crl', file('sub-crl.der')], 'revocation_unknown'],
    ['a CRL that does not parse', ['--crl', file('root.pem')], 'revocation_unknown'],
    [
      'OCSP is needed and not there',
      ['--crl', file('root-crl.pem'), '--revocation', 'ocsp'],
      'revocation_unknown',
    ],
    ['a policy is required', ['--policy', '1.2.3', '--require-explicit-policy'], 'policy'],
    ['no certificate in between', ['--max-depth', '0'], 'path_too_long'],
    ['a profile', ['--profile', 'svid'], 'profile'],
    ['a leaf that is cut off', ['--leaf', file('cut-off.pem')], 'malformed'],
    ['a leaf without its issuer', ['--leaf', file('leaf.der')], 'no_path'],
  ];
  test.each(refused)('not valid: %s', async (_title, args, reason) => {
    const { code, json, err } = await verify(...args, '--json');
    expect(code).toBe(1);
    expect(json()).toMatchObject([{ valid: false, reason, section: expect.any(String) as string }]);
    expect(JSON.parse(err)).toEqual({ error: { message: `Not valid: ${reason}.`, reason } });
    const forPeople = await verify(...args);
    expect([forPeople.code, forPeople.out]).toEqual([
      1,
      expect.stringMatching(`^Not valid at .*: ${reason} `),
    ]);
  });

  test('an anchor that does not parse is no question', async () => {
    const { code, json } = await verify('--anchors', file('cut-off.pem'), '--json');
    expect([code, json()[0]]).toMatchObject([
      1,
      { reason: 'malformed', detail: like(/^anchor 2 does not parse at octet 1:/u) },
    ]);
  });
  test('an intermediate that does not parse is left out and named', async () => {
    const { code, json } = await verify('--intermediates', file('cut-off.pem'), '--json');
    expect([code, json()[0]]).toMatchObject([
      0,
      { leftOut: [like(/^intermediate 1 does not parse at octet 1:/u)] },
    ]);
  });
  test('a leaf with its issuer given apart', async () => {
    const { code } = await verify('--leaf', file('leaf.der'), '--intermediates', file('sub.pem'));
    expect(code).toBe(0);
  });

  const usage: [title: string, args: string[], message: RegExp][] = [
    ['nothing', [], /Give --anchors and --leaf, or --batch/u],
    ['no leaf', ['--anchors', file('root.pem')], /Give --anchors and --leaf/u],
    ['a file that is not there', ['--anchors', '/none', '--leaf', file('leaf.der')], /Cannot read \/none/u],
    ['a batch that is not there', ['--batch', '/none'], /Cannot read \/none/u],
    ['a batch that is a folder', ['--batch', folder], /is a folder/u],
    ['a batch with other options', ['--batch', '-', '--time', AT], /give no other option/u],
    ['an unknown profile', ['--batch', '-', '--profile', 'x'], /Allowed choices are rfc5280, webpki/u],
  ];
  test.each(usage)('a wrong command line: %s', async (_title, args, message) => {
    const { code, err } = await runCommand(['certs', 'verify', ...args], { env });
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
  });
  test.each([
    ['--time', 'yesterday', /--time is "yesterday"/u],
    ['--eku', 'serverAuth', /--eku is "serverAuth"/u],
    ['--policy', 'x', /--policy is "x"/u],
    ['--max-depth', '-1', /--max-depth is "-1"/u],
  ])('a wrong %s', async (option, value, message) => {
    const { code, err } = await verify(`${option}=${value}`);
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
  });

  test.each([
    ['a.example', 'dns', 'a.example'],
    ['*.example', 'dns', '*.example'],
    ['192.0.2.1', 'ip', '192.0.2.1'],
    ['2001:db8::1', 'ip', '2001:db8::1'],
    ['a@b.example', 'email', 'a@b.example'],
    ['spiffe://a/b', 'uri', 'spiffe://a/b'],
    ['uri:urn:a', 'uri', 'urn:a'],
    ['dns:192.0.2.1', 'dns', '192.0.2.1'],
    ['dns://a/b', 'uri', 'dns://a/b'],
  ])('the name %s is a %s name', (text, kind, value) => {
    expect(expectedName(text)).toEqual({ kind, value });
  });
});

describe('batch', () => {
  const text = (name: string): Promise<string> => readFile(file(name), 'utf8');
  const base64 = (name: string): Promise<string> => readFile(file(name), 'base64');

  test('an answer for each line, in order, whatever it is', async () => {
    const home = await temporaryHome();
    const good = {
      anchors: [await text('root.pem')],
      intermediates: [await text('sub.pem')],
      leaf: await text('chain.pem'),
      time: AT,
    };
    const crls = [await text('root-crl.pem'), await base64('sub-crl.der')];
    const revoked = [crls[0], await base64('sub-crl-with-leaf.der')];
    const ocsp = [await base64('leaf-ocsp.der')];
    const path = ['CN=leaf', 'CN=sub', String.raw`CN=root,O=Example\, Inc.`];
    const rows: [given: unknown, expected: unknown][] = [
      [
        { id: 'good', ...good },
        { id: 'good', valid: true, path },
      ],
      ['not JSON', { id: null, valid: false, reason: 'malformed', detail: like(/^not JSON/u) }],
      [
        { id: 3, ...good, leave: 1 },
        { id: 3, valid: false, reason: 'malformed', detail: like(/"leave" is not known/u) },
      ],
      [
        { id: 4, ...good, time: '2036-01-01T00:00:00Z' },
        { id: 4, valid: false, reason: 'expired', section: like(/^RFC 5280/u) },
      ],
      [
        { id: 5, ...good, crls },
        { id: 5, valid: true, path },
      ],
      [
        { id: 6, ...good, crls: revoked },
        { id: 6, valid: false, reason: 'revoked' },
      ],
      [
        { id: 7, ...good, crls: revoked, revocation: 'none' },
        { id: 7, valid: true },
      ],
      [
        { id: 8, ...good, crls: [crls[0]], ocsp },
        { id: 8, valid: true },
      ],
      [
        { id: 9, ...good, crls, ocsp, revocation: 'both' },
        { id: 9, valid: false, reason: 'revocation_unknown' },
      ],
      [
        { id: 10, ...good, crls: ['@'] },
        { id: 10, valid: false, reason: 'revocation_unknown', detail: like(/CRL 1 is not PEM/u) },
      ],
      [
        { id: 11, ...good, intermediates: ['AAAA'] },
        { id: 11, valid: true, detail: like(/^intermediate 1 does not parse/u) },
      ],
      [
        { id: 12, ...good, anchors: ['AAAA'] },
        { id: 12, valid: false, reason: 'malformed', detail: like(/^anchor 1/u) },
      ],
      [
        { id: 13, ...good, leaf: 'AAAA' },
        { id: 13, valid: false, reason: 'malformed', detail: like(/^the leaf/u) },
      ],
      [
        { id: 14, ...good, leaf: '' },
        { id: 14, valid: false, reason: 'malformed', detail: like(/^the leaf/u) },
      ],
      [
        { id: 15, ...good, anchors: [] },
        { id: 15, valid: false, reason: 'no_path' },
      ],
      [
        { id: 16, ...good, leaf: good.anchors[0] },
        { id: 16, valid: true, path: path.slice(2) },
      ],
      [
        {
          id: 17,
          ...good,
          names: [
            { kind: 'dns', value: 'a.example' },
            { kind: 'dns', value: 'b.example' },
          ],
        },
        { id: 17, valid: false, reason: 'name_mismatch' },
      ],
      [
        { id: 18, ...good, maxDepth: 0 },
        { id: 18, valid: false, reason: 'path_too_long' },
      ],
      [
        { id: 19, ...good, policies: { requireExplicit: true } },
        { id: 19, valid: false, reason: 'policy' },
      ],
      [
        { id: 20, ...good, eku: ['1.3.6.1.5.5.7.3.2'] },
        { id: 20, valid: false, reason: 'extended_key_usage' },
      ],
      [
        { id: 21, ...good, profile: 'svid' },
        { id: 21, valid: false, reason: 'profile' },
      ],
    ];
    const cases = join(home.folder, 'cases.ndjson');
    const lines = rows.map(([given]) => (typeof given === 'string' ? given : JSON.stringify(given)));
    await writeFile(cases, lines.join('\n'));
    const { code, json, err } = await runCommand(['certs', 'verify', '--batch', cases], { env });
    expect([code, err]).toEqual([0, '21 cases: 6 valid, 15 not.\n']);
    expect(json()).toHaveLength(rows.length);
    expect(json()).toMatchObject(rows.map(([, expected]) => expected as object));
  });
});

describe('show', () => {
  const show = (...args: string[]) => runCommand(['certs', 'show', ...args], { env });

  test('what is in a file, block by block', async () => {
    const { code, out } = await show(file('chain.pem'));
    expect(code).toBe(0);
    expect(out).toContain(`${file('chain.pem')}, block 1\nCertificate v3\n  Subject:     CN=leaf\n`);
    expect(out).toContain('block 2\nCertificate v3\n  Subject:     CN=sub\n');
    expect(out).toContain('      DNS:a.example\n      IP:192.0.2.1\n      email:a@b.example\n');
  });
  test('DER of each kind', async () => {
    const { code, out } = await show(file('leaf.der'), file('sub-crl.der'), file('leaf-ocsp.der'));
    expect(code).toBe(0);
    expect(out).toContain('Certificate v3');
    expect(out).toMatch(
      /CRL v2\n {2}Issuer: {6}CN=sub\n[^]*Revoked: {5}1\n {4}0099 {2}2026-05-31T00:00:00Z {2}keyCompromise/u,
    );
    expect(out).toMatch(/OCSP answer: successful\n {2}Responder: {3}CN=sub\n[^]*Certificate 1234: good, /u);
  });
  test('as JSON', async () => {
    const { code, json } = await show(file('leaf.der'), file('sub-crl.der'), file('leaf-ocsp.der'), '--json');
    expect(code).toBe(0);
    expect(json()).toMatchObject([
      { kind: 'certificate', subject: 'CN=leaf', issuer: 'CN=sub', serialNumber: '1234' },
      { kind: 'crl', issuer: 'CN=sub', number: '1', revokedCount: 1, revoked: [{ serialNumber: '0099' }] },
      { kind: 'ocsp', responseStatus: 'successful', responses: [{ serialNumber: '1234', status: 'good' }] },
    ]);
  });
  test('no more entries than are asked for', async () => {
    const { out } = await show(file('sub-crl.der'), '--entries', '0');
    expect(out).toContain('Revoked:     1\n    and 1 more (--entries)');
  });
  test('what does not parse is named, and the rest is shown', async () => {
    const { code, out, err } = await show(file('cut-off.pem'), file('SOURCE.md'), file('root.pem'));
    expect(code).toBe(1);
    expect(err).toMatch(
      /cut-off\.pem is no certificate: .* at octet 1\.\n.*SOURCE\.md is not PEM: no PEM block at octet 0\.\n/u,
    );
    expect(out).toContain('CN=root');
  });
  test('a file that is not there', async () => {
    const { code, err } = await show('/none');
    expect([code, err]).toEqual([2, expect.stringMatching(/Cannot read \/none/u)]);
  });
});
