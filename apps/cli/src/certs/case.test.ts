/** Lines of a batch that are no case: what is said, and the id that goes with it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { idOfLine, parseCase, parseInstant } from './case.ts';

/** Inside of an object a bare pattern would be equal to any value. */
const like = (pattern: RegExp): string => expect.stringMatching(pattern) as string;
const good = { id: 'x', anchors: ['A'], intermediates: ['B'], leaf: 'C', time: '2026-06-01T00:00:00Z' };
const parse = (value: unknown) => parseCase(Buffer.from(JSON.stringify(value)));

describe('read', () => {
  test('what a case must have', () => {
    expect(parse(good)).toEqual({
      ok: true,
      id: 'x',
      question: {
        anchors: ['A'],
        intermediates: ['B'],
        leaf: 'C',
        at: new Date('2026-06-01T00:00:00Z'),
        profile: 'rfc5280',
        clockSkewMs: 0,
        crls: [],
        ocsp: [],
      },
    });
  });
  test('everything', () => {
    const all = {
      ...{ ...good, id: 7, purpose: 'server', eku: ['1.2.3'], names: [{ kind: 'dns', value: 'a.example' }] },
      ...{ crls: ['D'], ocsp: ['E'], revocation: 'both', maxDepth: 0, profile: 'webpki' },
      policies: { initial: ['1.2.3'], requireExplicit: true, inhibitMapping: false, inhibitAny: true },
    };
    expect(parse(all)).toMatchObject({
      ok: true,
      id: 7,
      question: {
        ...{ purpose: 'server', extendedKeyUsage: ['1.2.3'], names: [{ kind: 'dns', value: 'a.example' }] },
        ...{ crls: ['D'], ocsp: ['E'], revocation: 'both', maxIntermediates: 0, profile: 'webpki' },
        policies: { initial: ['1.2.3'], requireExplicit: true, inhibitMapping: false, inhibitAny: true },
      },
    });
  });
  test('null where a field may be absent', () => {
    const names = [
      'id',
      'intermediates',
      'purpose',
      'eku',
      'names',
      'crls',
      'ocsp',
      'revocation',
      'policies',
    ];
    const { id: _id, intermediates: _intermediates, ...least } = good;
    const nulls = Object.fromEntries([...names, 'maxDepth', 'profile'].map((name) => [name, null]));
    expect(parse({ ...least, ...nulls })).toEqual(parse(least));
    const policies = { initial: null, requireExplicit: null, inhibitMapping: null, inhibitAny: null };
    expect(parse({ ...good, policies })).toEqual(parse({ ...good, policies: {} }));
  });
  test('what the asker notes beside it', () => {
    expect(parse({ ...good, expected: { valid: true }, comment: 'a note' })).toEqual(parse(good));
  });
  test('without an id and without intermediates', () => {
    const { anchors, leaf, time } = good;
    expect(parse({ anchors, leaf, time })).toMatchObject({
      ok: true,
      id: null,
      question: { intermediates: [] },
    });
  });
});

describe('malformed', () => {
  const rows: [title: string, value: unknown, problem: RegExp][] = [
    ['an unknown field', { ...good, anchor: 'A' }, /^the field "anchor" is not known$/u],
    ['a field of a prototype', { ...good, toString: 'A' }, /"toString" is not known/u],
    [
      'an unknown field of a name',
      { ...good, names: [{ kind: 'dns', value: 'a', is: 1 }] },
      /"names\[0\]\.is"/u,
    ],
    ['an unknown policy', { ...good, policies: { explicit: true } }, /"policies\.explicit" is not known/u],
    ['no anchors', { ...good, anchors: undefined }, /"anchors" must be a list/u],
    ['anchors that are one text', { ...good, anchors: 'A' }, /"anchors" must be a list/u],
    ['anchors that are no text', { ...good, anchors: [1] }, /"anchors" must be a list/u],
    ['no leaf', { ...good, leaf: undefined }, /"leaf" must be/u],
    ['a leaf that is a list', { ...good, leaf: ['C'] }, /"leaf" must be/u],
    ['no time', { ...good, time: undefined }, /"time" must be/u],
    ['a time without zone', { ...good, time: '2026-06-01T00:00:00' }, /"time" must be/u],
    ['a time that is a number', { ...good, time: 1 }, /"time" must be/u],
    ['an unknown purpose', { ...good, purpose: 'mail' }, /"purpose" must be one of client, server, any/u],
    ['an OID that is none', { ...good, eku: ['serverAuth'] }, /"eku" must be OIDs.*serverAuth/u],
    ['a name of no kind', { ...good, names: [{ value: 'a' }] }, /"names\[0\]\.kind" must be/u],
    [
      'a name of an unknown kind',
      { ...good, names: [{ kind: 'cn', value: 'a' }] },
      /"names\[0\]\.kind" must be/u,
    ],
    ['a name that is no object', { ...good, names: ['a'] }, /"names\[0\]" must be/u],
    ['a name without value', { ...good, names: [{ kind: 'dns' }] }, /"names\[0\]\.value" must be/u],
    ['names that are an object', { ...good, names: {} }, /"names" must be a list/u],
    ['an unknown revocation', { ...good, revocation: 'soft' }, /"revocation" must be one of/u],
    ['policies that are a list', { ...good, policies: [] }, /"policies" must be an object/u],
    ['a flag that is text', { ...good, policies: { inhibitAny: 'yes' } }, /"policies\.inhibitAny" must be/u],
    [
      'an initial policy that is none',
      { ...good, policies: { initial: ['any'] } },
      /"policies\.initial" must be/u,
    ],
    ['a depth below 0', { ...good, maxDepth: -1 }, /"maxDepth" must be/u],
    ['a depth of a half', { ...good, maxDepth: 0.5 }, /"maxDepth" must be/u],
    ['an unknown profile', { ...good, profile: 'toString' }, /"profile" must be one of rfc5280, webpki/u],
    ['CRLs that are no texts', { ...good, crls: [null] }, /"crls" must be/u],
    ['anchors that are null', { ...good, anchors: null }, /"anchors" must be a list/u],
    ['a time that is null', { ...good, time: null }, /"time" must be/u],
    ['an OID of a million arcs', { ...good, eku: [`1${'.2'.repeat(1_000_000)}`] }, /"eku" must be OIDs/u],
  ];
  test.each(rows)('%s', (_title, value, problem) => {
    expect(parse(value)).toEqual({ ok: false, id: 'x', problem: like(problem) });
  });

  test.each(['{}', '[1]', 'true', '9007199254740993', '12345678901234567890', '1e400'])('the id %s', (id) => {
    const read = parseCase(Buffer.from(JSON.stringify({ ...good, id: 0 }).replace('"id":0', `"id":${id}`)));
    expect(read).toMatchObject({ ok: false, id: null, problem: like(/"id" must be/u) });
  });
  test.each(['', '{', '[]', 'null', '"x"', '{"id":1}x', '\u0000'])('the line %j', (line) => {
    expect(parseCase(Buffer.from(line))).toMatchObject({ ok: false, id: null });
  });
  test('a line that is not UTF-8', () => {
    expect(parseCase(Uint8Array.of(0x22, 0xff, 0x22))).toMatchObject({ ok: false, id: null });
  });
  test('a line of a hundred thousand brackets', () => {
    expect(parseCase(Buffer.from('['.repeat(100_000)))).toMatchObject({ ok: false, id: null });
    expect(idOfLine(Buffer.from('['.repeat(100_000)))).toBe(null);
  });
  test('any JSON is answered', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(parse(value).ok).toBe(false);
      }),
    );
  });
});

describe('instants', () => {
  test.each([
    ['2026-06-01T00:00:00Z', '2026-06-01T00:00:00.000Z'],
    ['2026-06-01t02:00:00.25+02:00', '2026-06-01T00:00:00.250Z'],
    ['2024-02-29T23:59:59-00:30', '2024-03-01T00:29:59.000Z'],
    ['0099-12-31T00:00:00Z', '0099-12-31T00:00:00.000Z'],
  ])('%s', (text, iso) => {
    expect(parseInstant(text)?.toISOString()).toBe(iso);
  });
  test.each([
    '2026-02-29T00:00:00Z',
    '2026-04-31T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-01-00T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T23:60:00Z',
    '2026-01-01T23:59:60Z',
    '2026-01-01T00:00:00',
    '2026-01-01',
    '2026-01-01 00:00:00Z',
    '2026-01-01T00:00:00+24:00',
    '1780272000',
    '',
  ])('%j is none', (text) => {
    expect(parseInstant(text)).toBeUndefined();
  });
});
