import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { decodeName } from '../certificate/name.ts';
import type { GeneralName, GeneralSubtree, Name, NameConstraints } from '../certificate/types.ts';
import { DerReader } from '../der/reader.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { isFailure } from '../signature/types.ts';
import { startWork, WorkLimitExceeded } from '../work.ts';
import {
  BMP_STRING,
  fromHex,
  name,
  utf8String,
  writeElement,
  type NameInput,
} from '../../test/support/der.ts';
import {
  checkConstraints,
  initialConstraints,
  intersect,
  type CertificateNames,
  type ConstraintState,
} from './constraints.ts';

const read = (input: NameInput): Name => decodeName(new DerReader(name(input)));
const dns = (value: string): GeneralName => ({ kind: 'dns', value });
const uri = (value: string): GeneralName => ({ kind: 'uri', value });
const email = (value: string): GeneralName => ({ kind: 'email', value });
const ip = (hex: string): GeneralName => ({ kind: 'ip', value: fromHex(hex) });
const directory = (input: NameInput): GeneralName => ({ kind: 'directory', value: read(input) });
const other = (type = '1.2.3'): GeneralName => ({ kind: 'other', type, value: fromHex('0500') });
const smtpUtf8 = (text: string): GeneralName => ({
  kind: 'other',
  type: '1.3.6.1.5.5.7.8.9',
  value: utf8String(text),
});

const subtrees = (bases: readonly GeneralName[]): GeneralSubtree[] =>
  bases.map((base) => ({ base, minimum: 0, maximum: undefined }));
const only = (permitted: readonly GeneralName[], excluded: readonly GeneralName[] = []): NameConstraints => ({
  permitted: permitted.length === 0 ? undefined : subtrees(permitted),
  excluded: excluded.length === 0 ? undefined : subtrees(excluded),
});
const permit = (...bases: GeneralName[]): NameConstraints => only(bases);
const exclude = (...bases: GeneralName[]): NameConstraints => only([], bases);

/** A certificate's names: its subject first, undefined for an empty one; no names at all is no subjectAltName. */
const names = (subject: NameInput | undefined, ...alternatives: GeneralName[]): CertificateNames => ({
  subject: read(subject ?? []),
  subjectAltName: alternatives.length === 0 ? undefined : alternatives,
});

function stateOf(...levels: NameConstraints[]): ConstraintState {
  const work = startWork(DEFAULT_LIMITS);
  let state = initialConstraints();
  for (const level of levels) {
    const next = intersect(state, level, work);
    if (isFailure(next)) throw new Error(next.detail);
    state = next;
  }
  return state;
}
const check = (certificate: CertificateNames, ...levels: NameConstraints[]) =>
  checkConstraints(stateOf(...levels), certificate, startWork(DEFAULT_LIMITS));

const ORGANISATION = [
  ['C', 'DE'],
  ['O', 'Example'],
] as const;
const PERSON: NameInput = [...ORGANISATION, ['CN', 'Alice']];
const WITH_EMAIL: NameInput = [
  ['CN', 'Alice'],
  ['emailAddress', 'alice@example.com'],
];
const V4 = 'c0000200ffffff00';

describe('within what is permitted and not excluded', () => {
  test.each<[string, CertificateNames, NameConstraints[]]>([
    ['no constraints', names('a', dns('a.example')), []],
    ['the host itself', names('a', dns('example.com')), [permit(dns('example.com'))]],
    ['a host below', names('a', dns('a.b.EXAMPLE.com')), [permit(dns('Example.com'))]],
    ['a wildcard below', names('a', dns('*.example.com')), [permit(dns('example.com'))]],
    ['one of several', names('a', dns('example.org')), [permit(dns('example.com'), dns('example.org'))]],
    [
      'each in one of its form',
      names('a', dns('example.com'), ip('c0000201')),
      [permit(dns('example.com'), ip(V4))],
    ],
    ['the empty host name permits all', names('a', dns('example.com')), [permit(dns(''))]],
    ['a form that is not constrained', names('a', uri('https://example.org')), [permit(dns('example.com'))]],
    ['no name of the form', names('a'), [permit(dns('example.com'), uri('example.com'), ip(V4))]],
    ['every level', names('a', dns('a.b.example')), [permit(dns('example')), permit(dns('b.example'))]],
    [
      'levels of other forms',
      names('a', dns('example.com'), ip('c0000201')),
      [permit(dns('example.com')), permit(ip(V4))],
    ],
    ['next to what is excluded', names('a', dns('good.example')), [exclude(dns('bad.example'))]],
    [
      'a wildcard above what is excluded further below',
      names('a', dns('*.example.com')),
      [exclude(dns('a.b.example.com'))],
    ],
    [
      'IPv6',
      names('a', ip('20010db8000000000000000000000001')),
      [permit(ip(`20010db8${'00'.repeat(12)}ffffffff${'00'.repeat(12)}`))],
    ],
    ['excluded IPv6, an IPv4 address', names('a', ip('c0000201')), [exclude(ip('00'.repeat(32)))]],
    ['a mailbox on the host', names('a', email('a@example.com')), [permit(email('example.com'))]],
    ['a mailbox below the domain', names('a', email('a@www.example.com')), [permit(email('.example.com'))]],
    ['an international mailbox', names('a', smtpUtf8('ä@example.com')), [permit(email('example.com'))]],
    ['an address in the subject', names(WITH_EMAIL), [permit(email('example.com'))]],
    [
      'an address in the subject next to a subjectAltName',
      names(WITH_EMAIL, dns('a.example')),
      [permit(email('example.org'))],
    ],
    ['a URI', names('a', uri('spiffe://example.com/a')), [permit(uri('example.com'))]],
    ['a subject below', names(PERSON), [permit(directory(ORGANISATION))]],
    [
      'a subject in another case',
      names([
        ['C', 'de'],
        ['O', 'EXAMPLE'],
        ['CN', 'a'],
      ]),
      [permit(directory(ORGANISATION))],
    ],
    [
      'a subject with a value that is no text, outside of what is excluded',
      names([
        ['O', 'a'],
        ['2.5.4.45', writeElement(3, fromHex('0061'))],
      ]),
      [exclude(directory(ORGANISATION))],
    ],
    [
      'a subject with a character that is prohibited, below what is permitted',
      names([...ORGANISATION, ['CN', 'a\ue000']]),
      [permit(directory(ORGANISATION))],
    ],
    ['an empty subject', names(undefined, dns('a.example')), [permit(directory(ORGANISATION))]],
    ['a directory name', names(undefined, directory(PERSON)), [permit(directory(ORGANISATION))]],
    [
      'an unsupported form that is constrained and not met',
      names('a', dns('a.example')),
      [exclude(other(), dns('b.example'))],
    ],
    ['an unsupported form that is met and not constrained', names('a', other()), [permit(dns('b.example'))]],
    [
      'a malformed base of a form that is not met',
      names('a', dns('a.example')),
      [permit(email('a@b@c'), dns('a.example'))],
    ],
    [
      'a malformed name of a form that is not constrained',
      names('a', dns('..')),
      [permit(uri('example.com'))],
    ],
  ])('%s', (_, certificate, levels) => {
    expect(check(certificate, ...levels)).toBeUndefined();
  });
});

describe('refused', () => {
  const B = 'RFC 5280 section 6.1.3 (b)';
  const C = 'RFC 5280 section 6.1.3 (c)';
  const NC = 'RFC 5280 section 4.2.1.10';
  test.each<[string, string, CertificateNames, NameConstraints[]]>([
    ['another host', B, names('a', dns('example.org')), [permit(dns('example.com'))]],
    ['a host that ends alike', B, names('a', dns('notexample.com')), [permit(dns('example.com'))]],
    ['the host above', B, names('a', dns('com')), [permit(dns('example.com'))]],
    [
      'the second of two names',
      B,
      names('a', dns('example.com'), dns('example.org')),
      [permit(dns('example.com'))],
    ],
    ['a wildcard above', B, names('a', dns('*.com')), [permit(dns('example.com'))]],
    [
      'a wildcard above one permitted host',
      B,
      names('a', dns('*.example.com')),
      [permit(dns('www.example.com'))],
    ],
    [
      'permitted by one level alone',
      B,
      names('a', dns('a.example')),
      [permit(dns('example')), permit(dns('b.example'))],
    ],
    ['widened below', B, names('a', dns('a.example')), [permit(dns('b.example')), permit(dns('example'))]],
    ['excluded', C, names('a', dns('example.com')), [exclude(dns('example.com'))]],
    ['below what is excluded', C, names('a', dns('a.example.com')), [exclude(dns('EXAMPLE.com'))]],
    [
      'permitted and excluded',
      C,
      names('a', dns('a.example')),
      [only([dns('a.example')], [dns('a.example')])],
    ],
    [
      'excluded above, permitted below',
      C,
      names('a', dns('a.example')),
      [exclude(dns('a.example')), permit(dns('a.example'))],
    ],
    [
      'a wildcard that covers an excluded host',
      C,
      names('a', dns('*.example.com')),
      [exclude(dns('www.example.com'))],
    ],
    ['a wildcard at the excluded host', C, names('a', dns('*.example.com')), [exclude(dns('example.com'))]],
    ['the empty host name excludes all', C, names('a', dns('example.com')), [exclude(dns(''))]],
    [
      'a malformed host name: leading period',
      B,
      names('a', dns('.example.com')),
      [permit(dns('example.com'))],
    ],
    [
      'a malformed host name: trailing period',
      B,
      names('a', dns('example.com.')),
      [permit(dns('example.com'))],
    ],
    [
      'a malformed host name under an exclusion',
      B,
      names('a', dns('example.com.')),
      [exclude(dns('example.com'))],
    ],
    [
      'a malformed host name: embedded wildcard',
      B,
      names('a', dns('w*.example.com')),
      [permit(dns('example.com'))],
    ],
    ['a base with a leading period', NC, names('a', dns('a.example.com')), [permit(dns('.example.com'))]],
    ['a base with a wildcard', NC, names('a', dns('a.example.com')), [permit(dns('*.example.com'))]],
    [
      'a malformed base among good ones',
      NC,
      names('a', dns('a.example.com')),
      [permit(dns('example.com'), dns('.b.example'))],
    ],
    ['a malformed excluded base', NC, names('a', dns('a.example.com')), [exclude(dns('*.example.org'))]],
    ['another network', B, names('a', ip('c0000301')), [permit(ip(V4))]],
    ['the other family', B, names('a', ip('20010db8000000000000000000000001')), [permit(ip(V4))]],
    ['an excluded address', C, names('a', ip('c0000201')), [exclude(ip(V4))]],
    ['every IPv4 address excluded', C, names('a', ip('01020304')), [exclude(ip('0000000000000000'))]],
    ['a mask with a hole', NC, names('a', ip('c0000201')), [permit(ip('c0000200ff00ff00'))]],
    ['a base that is an address', NC, names('a', ip('7f000001')), [permit(ip('7f000001'))]],
    ['an address with a mask', B, names('a', ip(V4)), [permit(ip(V4))]],
    ['another mailbox of the host', B, names('a', email('b@example.com')), [permit(email('a@example.com'))]],
    [
      'a host below the mailbox host',
      B,
      names('a', email('a@www.example.com')),
      [permit(email('example.com'))],
    ],
    [
      'the domain itself where hosts below are meant',
      B,
      names('a', email('a@example.com')),
      [permit(email('.example.com'))],
    ],
    ['an excluded mailbox', C, names('a', email('a@EXAMPLE.com')), [exclude(email('a@example.com'))]],
    ['a malformed mailbox', B, names('a', email('a@b@example.com')), [permit(email('example.com'))]],
    ['a malformed mailbox base', NC, names('a', email('a@example.com')), [permit(email('a@b@example.com'))]],
    [
      'an international mailbox elsewhere',
      B,
      names('a', smtpUtf8('ä@example.org')),
      [permit(email('example.com'))],
    ],
    [
      'an excluded international mailbox',
      C,
      names('a', smtpUtf8('ä@example.com')),
      [exclude(email('example.com'))],
    ],
    ['an address in the subject elsewhere', B, names(WITH_EMAIL), [permit(email('example.org'))]],
    [
      'a malformed address in the subject',
      B,
      names([['emailAddress', 'alice']]),
      [permit(email('example.org'))],
    ],
    ['another URI host', B, names('a', uri('https://example.org/')), [permit(uri('example.com'))]],
    [
      'a URI host below the host',
      B,
      names('a', uri('https://www.example.com/')),
      [permit(uri('example.com'))],
    ],
    ['a URI of the domain itself', B, names('a', uri('https://example.com/')), [permit(uri('.example.com'))]],
    ['an excluded URI host', C, names('a', uri('https://www.example.com/')), [exclude(uri('.example.com'))]],
    [
      'a URI with an address, permitted',
      B,
      names('a', uri('https://192.0.2.1/')),
      [permit(uri('example.com'))],
    ],
    [
      'a URI with an address, something else excluded',
      B,
      names('a', uri('https://192.0.2.1/')),
      [exclude(uri('example.com'))],
    ],
    ['a URI without authority', B, names('a', uri('urn:a:b')), [exclude(uri('example.com'))]],
    [
      'a URI base that is a URI',
      NC,
      names('a', uri('https://example.com/')),
      [permit(uri('https://example.com/'))],
    ],
    ['a subject elsewhere', B, names('a'), [permit(directory(ORGANISATION))]],
    ['a subject above', B, names([['C', 'DE']]), [permit(directory(ORGANISATION))]],
    [
      'a subject elsewhere, the directory name within',
      B,
      names('a', directory(PERSON)),
      [permit(directory(ORGANISATION))],
    ],
    [
      'a subject within, the directory name elsewhere',
      B,
      names(PERSON, directory('a')),
      [permit(directory(ORGANISATION))],
    ],
    [
      'an excluded subject',
      C,
      names([
        ['C', 'DE'],
        ['O', ' example '],
      ]),
      [exclude(directory(ORGANISATION))],
    ],
    ['an excluded directory name', C, names('a', directory(PERSON)), [exclude(directory(ORGANISATION))]],
    ['every name excluded', C, names('a'), [exclude(directory([]))]],
    [
      'a subject in UTF-16 that is none',
      C,
      names([['O', writeElement(BMP_STRING, fromHex('d800 0061'))]]),
      [exclude(directory(ORGANISATION))],
    ],
    [
      'a subject with a character that is prohibited',
      C,
      names('a\ue000'),
      [exclude(directory(ORGANISATION))],
    ],
    [
      'a directory name with a GeneralString',
      C,
      names('a', directory([['CN', writeElement(27, fromHex('61'))]])),
      [exclude(directory(ORGANISATION))],
    ],
    [
      'a subject of another class',
      C,
      names([['O', writeElement(0x8c, fromHex('61'))]]),
      [exclude(directory(ORGANISATION))],
    ],
    ['otherName', NC, names('a', other()), [exclude(other())]],
    ['otherName of another type', NC, names('a', other('1.2.4')), [permit(other())]],
    [
      'registeredID',
      NC,
      names('a', { kind: 'registered', value: '1.2.3' }),
      [permit({ kind: 'registered', value: '1.2.3' })],
    ],
    [
      'x400Address',
      NC,
      names('a', { kind: 'x400', value: fromHex('') }),
      [exclude({ kind: 'x400', value: fromHex('') })],
    ],
    [
      'ediPartyName',
      NC,
      names('a', { kind: 'edi', value: fromHex('') }),
      [exclude({ kind: 'edi', value: fromHex('') })],
    ],
    [
      'a minimum',
      NC,
      names('a', dns('a.example')),
      [{ permitted: [{ base: dns('example'), minimum: 1, maximum: undefined }], excluded: undefined }],
    ],
    [
      'a maximum',
      NC,
      names('a', dns('a.example')),
      [{ permitted: undefined, excluded: [{ base: dns('b.example'), minimum: 0, maximum: 3 }] }],
    ],
  ])('%s: %s', (_, section, certificate, levels) => {
    expect(check(certificate, ...levels)).toMatchObject({ reason: 'name_constraints', section });
  });

  test.each<[string, NameConstraints]>([
    ['neither list', { permitted: undefined, excluded: undefined }],
    ['an empty list', { permitted: [], excluded: undefined }],
    ['two empty lists', { permitted: [], excluded: [] }],
  ])('constraints with %s', (_, constraints) => {
    expect(intersect(initialConstraints(), constraints, startWork(DEFAULT_LIMITS))).toMatchObject({
      reason: 'name_constraints',
      section: NC,
    });
  });
});

describe('work', () => {
  it('is none without constraints', () => {
    const work = startWork({ ...DEFAULT_LIMITS, nameComparisons: 0 });
    expect(checkConstraints(initialConstraints(), names('a', dns('a.example')), work)).toBeUndefined();
  });

  it('is bounded by names times subtrees', () => {
    const many = Array.from({ length: 1_000 }, (_, i) => dns(`${i}.example`));
    const state = stateOf(exclude(...many.map((base) => dns(`x${base.kind === 'dns' ? base.value : ''}`))));
    const work = startWork(DEFAULT_LIMITS);
    expect(() => checkConstraints(state, names('a', ...many), work)).toThrow(WorkLimitExceeded);
  });

  it('of reading constraints is counted', () => {
    const many = permit(...Array.from({ length: 20 }, (_, i) => dns(`${i}.example`)));
    expect(() =>
      intersect(initialConstraints(), many, startWork({ ...DEFAULT_LIMITS, nameComparisons: 19 })),
    ).toThrow(WorkLimitExceeded);
  });
});

describe('whatever the names', () => {
  const label = fc.constantFrom('a', 'b', 'c', '*', '', 'A');
  const host = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
  const level = fc
    .record({ permitted: fc.array(host, { maxLength: 2 }), excluded: fc.array(host, { maxLength: 2 }) })
    .filter(({ permitted, excluded }) => permitted.length + excluded.length > 0)
    .map(({ permitted, excluded }) => only(permitted.map(dns), excluded.map(dns)));
  const certificate = fc
    .array(host, { minLength: 1, maxLength: 3 })
    .map((hosts) => names('a', ...hosts.map(dns)));

  it('a level less never refuses more', () => {
    fc.assert(
      fc.property(
        certificate,
        fc.array(level, { minLength: 1, maxLength: 3 }),
        fc.nat(2),
        (subject, levels, dropped) => {
          const fewer = levels.filter((_, i) => i !== dropped);
          if (check(subject, ...levels) === undefined) expect(check(subject, ...fewer)).toBeUndefined();
        },
      ),
    );
  });

  it('the order of levels never matters', () => {
    fc.assert(
      fc.property(certificate, fc.array(level, { maxLength: 3 }), (subject, levels) => {
        expect(check(subject, ...levels) === undefined).toBe(
          check(subject, ...levels.toReversed()) === undefined,
        );
      }),
    );
  });
});
