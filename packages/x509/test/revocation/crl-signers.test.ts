import { describe, expect, it } from 'vitest';
import {
  cRLDistributionPoints,
  general,
  issue,
  issuingDistributionPoint,
  makeKey,
  THIS_UPDATE,
  type Issued,
} from '../support/pki.ts';
import {
  ask,
  ca,
  leaf,
  list,
  root,
  serialOf,
  verdict,
  withPoints,
  type ListInput,
  type Question,
  type Row,
} from '../support/revocation.ts';
import { run } from '../support/validating.ts';

const revoked = { ...serialOf(leaf), reason: 'keyCompromise' };
const listSigner = issue({
  subject: 'ca',
  issuer: root,
  key: makeKey('P-256', 'list signer'),
  usages: ['cRLSign'],
});
const noListSigner = issue({
  subject: 'ca',
  issuer: root,
  key: makeKey('P-256', 'no list signer'),
  usages: ['digitalSignature'],
});
const expiredSigner = issue({
  subject: 'ca',
  issuer: root,
  key: makeKey('P-256', 'expired'),
  usages: ['cRLSign'],
  notAfter: THIS_UPDATE,
});
const otherRoot = issue({ subject: 'other root', ca: true });
const foreignSigner = issue({
  subject: 'ca',
  issuer: otherRoot,
  key: makeKey('P-256', 'foreign'),
  usages: ['cRLSign'],
});
const sibling = issue({ subject: 'sibling', issuer: root, ca: true });
const namesake = issue({
  subject: 'ca',
  issuer: sibling,
  key: makeKey('P-256', 'namesake'),
  usages: ['cRLSign'],
});
/** A name and a key of the root, certified by a sibling of the CA. */
const falseRoot = issue({
  subject: 'root',
  issuer: sibling,
  ca: true,
  key: makeKey('P-256', 'false root'),
});
const deeperNamesake = issue({
  subject: 'ca',
  issuer: falseRoot,
  key: makeKey('P-256', 'deeper namesake'),
  usages: ['cRLSign'],
});
/** The CA's next key, certified by the one that issued. */
const nextKey = issue({ subject: 'ca', issuer: ca, ca: true, key: makeKey('P-256', 'next key') });
const mute = issue({ subject: 'mute', issuer: root, ca: true, usages: ['keyCertSign'] });
const plain = issue({ subject: 'plain', issuer: root, ca: true, usages: [] });
const signedBy = (signer: ReturnType<typeof issue>, question: Question = {}): Question => ({
  intermediates: [signer],
  crls: [list(ca, { signer: signer.key })],
  ...question,
});

const BELOW_ANOTHER = 'unknown: a signer of this name below another CA than the certificate';
const forged = (signer: Issued): NonNullable<Question['crls']> => [
  list(ca, { signer: signer.key }),
  list(sibling),
];
const NO_PATH = expect.stringMatching(/^unknown: a signer without a valid path/u) as unknown as string;
const SIGNERS: readonly Row[] = [
  ['(f) a key for lists beside the path', signedBy(listSigner), 'good'],
  [
    '(f) that revokes',
    signedBy(listSigner, { crls: [list(ca, { signer: listSigner.key, revoked: [revoked] })] }),
    'revoked keyCompromise',
  ],
  [
    '(f) that is not at hand',
    { crls: [list(ca, { signer: listSigner.key })] },
    'unknown: its signature verifies with no key of its issuer',
  ],
  ['(f) without cRLSign', signedBy(noListSigner), 'unknown: a signer without the key usage cRLSign'],
  ['(f) without a valid path', signedBy(expiredSigner), NO_PATH],
  [
    '(f) below another anchor',
    signedBy(foreignSigner, { intermediates: [foreignSigner, otherRoot] }),
    NO_PATH,
  ],
  [
    '(f) the next key of the CA',
    signedBy(nextKey, { crls: [list(ca, { signer: nextKey.key }), list(ca)] }),
    'good',
  ],
  [
    '8 a namesake below another CA of the anchor',
    signedBy(namesake, { intermediates: [sibling, namesake], crls: forged(namesake) }),
    BELOW_ANOTHER,
  ],
  [
    '8 a namesake below a namesake of the root',
    signedBy(deeperNamesake, {
      intermediates: [sibling, falseRoot, deeperNamesake],
      crls: [...forged(deeperNamesake), list(falseRoot)],
    }),
    BELOW_ANOTHER,
  ],
  [
    '8 a namesake that revokes',
    signedBy(namesake, {
      intermediates: [sibling, namesake],
      crls: [list(ca), list(ca, { signer: namesake.key, revoked: [revoked] }), list(sibling)],
    }),
    'good',
  ],
  [
    '(f) revoked',
    signedBy(listSigner, {
      crls: [list(ca, { signer: listSigner.key }), list(root, { revoked: [serialOf(listSigner)] })],
    }),
    'unknown: a signer that is revoked',
  ],
  [
    '(f) the issuer without cRLSign',
    { of: issue({ subject: 'leaf', issuer: mute }), intermediates: [mute], crls: [list(mute)] },
    'unknown: a signer without the key usage cRLSign',
  ],
  [
    '(f) the issuer without key usage',
    { of: issue({ subject: 'leaf', issuer: plain }), intermediates: [plain], crls: [list(plain)] },
    'good',
  ],
];

const indirectIssuer = issue({ subject: 'list issuer', issuer: root, usages: ['cRLSign'] });
const indirectName = [general.directory('list issuer')];
const delegated = withPoints([{ crlIssuer: indirectName }]);
const indirect = (revokedRows: ListInput['revoked'] = [], isIndirect = true): Question => ({
  of: delegated,
  intermediates: [indirectIssuer],
  crls: [
    list(indirectIssuer, {
      revoked: revokedRows,
      extensions: [
        issuingDistributionPoint({ fullName: indirectName, ...(isIndirect ? { indirectCRL: true } : {}) }),
      ],
    }),
  ],
});
const by = (name: string): { certificateIssuer: readonly Uint8Array[] } => ({
  certificateIssuer: [general.directory(name)],
});
const delegatedRow = { ...serialOf(delegated), reason: 'superseded' };

const INDIRECT: readonly Row[] = [
  [
    '(b)(1) the point of cRLIssuer, in a list of another',
    {
      of: delegated,
      crls: [
        list(ca, {
          extensions: [issuingDistributionPoint({ fullName: indirectName, indirectCRL: true })],
        }),
      ],
    },
    'unknown: another issuer than cRLIssuer',
  ],
  [
    '(b)(1) a list of cRLIssuer covers its own point alone',
    {
      of: withPoints([{ crlIssuer: indirectName, reasons: ['keyCompromise'] }]),
      intermediates: [indirectIssuer],
      crls: [list(indirectIssuer, { extensions: [issuingDistributionPoint({ indirectCRL: true })] })],
    },
    'unknown: no lists for some of the reasons',
  ],
  ['(b)(1) an indirect list', indirect(), 'good'],
  ['(b)(1) not indirect', indirect([], false), 'unknown: not an indirect list, as cRLIssuer asks for'],
  [
    '(b)(1) of another issuer than cRLIssuer',
    { of: delegated, crls: [list(root, { extensions: [issuingDistributionPoint({ indirectCRL: true })] })] },
    'unknown: ',
  ],
  ['(b)(1) a certificate that names no cRLIssuer', { ...indirect(), of: leaf }, 'unknown: '],
  ['5.3.3 an entry of the list issuer itself', indirect([delegatedRow]), 'good'],
  [
    '5.3.3 an entry with the certificate issuer',
    indirect([{ ...delegatedRow, ...by('ca') }]),
    'revoked superseded',
  ],
  ['5.3.3 the names compare as names', indirect([{ ...delegatedRow, ...by('  CA ') }]), 'revoked superseded'],
  ['5.3.3 an entry of another issuer', indirect([{ ...delegatedRow, ...by('another') }]), 'good'],
  [
    '5.3.3 carried over from the entry before',
    indirect([{ serial: 1, ...by('ca') }, { serial: 2 }, delegatedRow]),
    'revoked superseded',
  ],
  [
    '5.3.3 carried over, then changed',
    indirect([{ serial: 1, ...by('ca') }, { serial: 2, ...by('another') }, delegatedRow]),
    'good',
  ],
  [
    '5.3.3 the same number of two issuers',
    indirect([
      { ...delegatedRow, ...by('another') },
      { ...delegatedRow, ...by('ca') },
    ]),
    'revoked superseded',
  ],
  [
    '5.3.3 certificateIssuer in a list that is not indirect',
    { crls: [list(ca, { revoked: [{ ...revoked, ...by('another') }] })] },
    'unknown: certificateIssuer in a list that is not indirect',
  ],
];

describe.each([
  ['signers (section 6.3.3 (f), (g))', SIGNERS],
  ['indirect lists', INDIRECT],
])('CRL: %s', (_title, rows) => {
  it.each(rows)('%s', (_what, question, expected) => {
    expect(verdict(question)).toEqual(expected);
  });
});

/** A list issuer below a CA of its own: its status is asked of that CA. */
const aside = issue({ subject: 'aside', issuer: root, ca: true });
const deepSigner = issue({ subject: 'deep', issuer: aside, usages: ['cRLSign'] });
const deepName = [general.directory('deep')];
const deepLeaf = withPoints([{ crlIssuer: deepName }]);
const deepList = list(deepSigner, { extensions: [issuingDistributionPoint({ indirectCRL: true })] });
const deep = (question: Question): Question => ({
  of: deepLeaf,
  intermediates: [aside, deepSigner],
  ...question,
  crls: [deepList, ...(question.crls ?? [])],
});

/** Two list issuers, each of whom says that the other is good. */
const first = issue({
  subject: 'first',
  issuer: root,
  usages: ['cRLSign'],
  extensions: [cRLDistributionPoints([{ crlIssuer: [general.directory('second')] }])],
});
const second = issue({
  subject: 'second',
  issuer: root,
  usages: ['cRLSign'],
  extensions: [cRLDistributionPoints([{ crlIssuer: [general.directory('first')] }])],
});
const indirectList = (by: typeof first): ReturnType<typeof list> =>
  list(by, { extensions: [issuingDistributionPoint({ indirectCRL: true })] });

const UNKNOWN_SIGNER = 'unknown: a signer of unknown revocation status';
const SIGNER_STATUS: readonly Row[] = [
  ['good', deep({ crls: [list(aside)] }), 'good'],
  ['unknown', deep({}), UNKNOWN_SIGNER],
  ['unknown, soft', deep({ onUnknown: 'soft' }), 'good'],
  ['unknown, only the leaf is asked for', deep({ scope: 'leaf' }), 'good'],
  [
    'revoked',
    deep({ crls: [list(aside, { revoked: [serialOf(deepSigner)] })] }),
    'unknown: a signer that is revoked',
  ],
  [
    'revoked, only the leaf is asked for',
    deep({ scope: 'leaf', crls: [list(aside, { revoked: [serialOf(deepSigner)] })] }),
    'unknown: a signer that is revoked',
  ],
  [
    'a revoked CA above it',
    deep({ crls: [list(aside), list(root, { revoked: [serialOf(aside)] })] }),
    'unknown: a signer that is revoked',
  ],
];

describe("CRL: the status of a list's signer", () => {
  it.each(SIGNER_STATUS)('%s', (_what, question, expected) => {
    expect(verdict(question)).toBe(expected);
  });
  it('is said in the result', () => {
    const statusOf = (question: Question): unknown => {
      const result = ask(question);
      return result.valid && result.revocation[0]?.sources.map(({ signerStatus }) => signerStatus);
    };
    expect(statusOf(deep({ crls: [list(aside)] }))).toEqual(['good']);
    expect(statusOf(deep({ onUnknown: 'soft' }))).toEqual(['unknown']);
    expect(statusOf({ crls: [list(ca)] })).toEqual([undefined]);
  });
  it('is not proved in a circle', () => {
    // The root's own list would do, were it there.
    const result = run({
      anchors: [root],
      intermediates: [ca, first, second],
      leaf: withPoints([{ crlIssuer: [general.directory('first')] }]),
      revocation: { mode: 'crl', crls: [indirectList(first), indirectList(second)] },
    });
    expect(result.valid).toBe(false);
  });
  it.each([
    ['in the name of its issuer', 'root', ca, []],
    [
      'of indirect lists',
      'aside',
      withPointsOfCa('aside'),
      [issuingDistributionPoint({ indirectCRL: true })],
    ],
  ] as const)(
    'is not proved by whom the certificate itself certified, %s',
    (_what, subject, own, extensions) => {
      const signer = issue({
        subject,
        issuer: own,
        key: makeKey('P-256', 'subject to ca'),
        usages: ['cRLSign'],
      });
      const forged = list(signer, { extensions });
      const result = run({
        anchors: [root],
        intermediates: [own, signer],
        leaf: issue({ subject: 'leaf', issuer: own }),
        revocation: { mode: 'crl', crls: [list(own), forged] },
      });
      expect(result.valid ? 'valid' : `${result.failure.reason} of ${result.failure.certificate}`).toBe(
        'revocation_unknown of 1',
      );
    },
  );
  it('may be in the list itself, as PKITS 4.14.30 has it', () => {
    const self = issue({
      subject: 'self',
      issuer: ca,
      usages: ['cRLSign'],
      extensions: [cRLDistributionPoints([{ crlIssuer: [general.directory('self')] }])],
    });
    const of = withPoints([{ crlIssuer: [general.directory('self')] }]);
    const rows = (row: Question['crls']): Question => ({ of, intermediates: [self], crls: row ?? [] });
    expect(verdict(rows([indirectList(self)]))).toBe('good');
    const revoking = list(self, {
      revoked: [{ ...serialOf(self), certificateIssuer: [general.directory('ca')] }],
      extensions: [issuingDistributionPoint({ indirectCRL: true })],
    });
    expect(verdict(rows([revoking]))).toBe('unknown: a signer that is revoked');
  });
});

/** The CA, whose status a list of `issuer` tells. */
function withPointsOfCa(issuer: string): Issued {
  return issue({
    subject: 'ca',
    issuer: root,
    ca: true,
    extensions: [cRLDistributionPoints([{ crlIssuer: [general.directory(issuer)] }])],
  });
}
