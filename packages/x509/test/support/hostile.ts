/** Inputs that are made to be slow: meshes with more paths than anybody can walk, and certificates that cost most to check. */
import type { RevocationInput } from '../../src/input.ts';
import type { OcspResponse } from '../../src/revocation/ocsp/types.ts';
import {
  cRLDistributionPoints,
  certificatePolicies,
  general,
  issue,
  issuingDistributionPoint,
  makeKey,
  nameConstraints,
  policyMappings,
  type IssueInput,
  type Issued,
} from './pki.ts';
import { answer, idOf, list } from './revocation.ts';
import type { Case } from './validating.ts';

type Evidence = Pick<RevocationInput, 'crls' | 'ocsp'>;

/** The certificate of one CA by another. Key and name are `of`'s. */
function certify(of: Issued, issuer: Issued, more: IssueInput = {}): Issued {
  return issue({ subject: of.subject, key: of.key, ca: true, issuer, ...more });
}

function authority(subject: string, key = subject): Issued {
  return issue({ subject, ca: true, key: makeKey('P-256', key) });
}

const root = authority('root');

/** `layers` of `width` CAs, each certified by each of the layer above: `width` to the power of `layers` paths. */
function layered(layers: number, width: number, top: readonly Issued[]): { pool: Issued[]; bottom: Issued } {
  const pool: Issued[] = [];
  let above: readonly Issued[] = top;
  for (let layer = 0; layer < layers; layer++) {
    const here = Array.from({ length: width }, (_, column) =>
      authority(`layer ${layer}`, `${layer}/${column}`),
    );
    for (const one of here) for (const issuer of above) pool.push(certify(one, issuer));
    above = here;
  }
  return { pool, bottom: above[0] as Issued };
}

export interface Hostile extends Case {
  readonly reason: string;
}

/** Each made when it is asked for. */
export const HOSTILE: readonly (readonly [string, () => Hostile])[] = [
  ['layers of one name that end nowhere', () => ends([authority('nowhere')], 'no_path')],
  ['layers of one name, the top one forged as issued by the anchor', forgedTop],
  ['layers that all end in the anchor, and a leaf that no path allows', refusedEverywhere],
  ['layers that are longer than a path may be', () => ends([root], 'limit', 18, 2)],
  ['CAs that all certify each other', () => clique('no_path')],
  [
    'CAs that all certify each other, one of them forged as issued by the anchor',
    () => clique('limit', [authority('root', 'forged')]),
  ],
  ['hundreds of issuers of one name and one key identifier', namesakes],
  ['as many certificates of one CA as may come', duplicates],
  ['more certificates than may come', () => ({ ...duplicates(1_001), reason: 'limit' })],
  ['a chain without end', longChain],
  ['subtrees times names', subtrees],
  ['directory subtrees times names', directorySubtrees],
  ['policies that are mapped to all others at each level', mappedPolicies],
  ['names that take long to prepare', longNames],
  ['long names as subtrees', longSubtrees],
  ['long certificates in all of many paths', longCertificates],
  ['costly keys of one name', costlyKeys],
  ['lists of long names', () => evidence(longListIssuers())],
  ['lists for long distribution points', () => evidence(longListPoints())],
  ['thousands of distribution points times lists', () => evidence(pointsTimesLists(), manyPoints())],
  ['OCSP answers under long names', () => evidence({ ocsp: longResponders() })],
  ['OCSP answers that say the same hundreds of times', () => evidence({ ocsp: repetitions() })],
  [
    'a list whose entries carry on thousands of issuers',
    () => ({ ...evidence(carriedIssuers()), reason: 'valid' }),
  ],
];

const SERIAL = 5;
const bare = issue({ subject: 'leaf', issuer: root, serial: SERIAL });

function evidence(given: Evidence, leaf = bare): Hostile {
  const mode = given.crls === undefined ? 'ocsp' : 'crl';
  return { anchors: [root], leaf, revocation: { mode, ...given }, reason: 'limit' };
}

const long = (index: number): Uint8Array => general.directory(LIGATURE.repeat(15_000) + index);
const rowsOf = <T>(count: number, row: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => row(index));

const longListIssuers = (): Evidence => ({
  crls: rowsOf(100, (index) => list(root, { issuer: LIGATURE.repeat(15_000) + index })),
});
const longListPoints = (): Evidence => ({
  crls: rowsOf(100, (index) =>
    list(root, { extensions: [issuingDistributionPoint({ fullName: [long(index)] })] }),
  ),
});
const pointsTimesLists = (): Evidence => ({
  crls: rowsOf(100, (index) =>
    list(root, { extensions: [issuingDistributionPoint({ fullName: [general.uri(`b:${index}`)] })] }),
  ),
});
const manyPoints = (): Issued =>
  issue({
    subject: 'leaf',
    issuer: root,
    extensions: [
      cRLDistributionPoints(rowsOf(1_900, (index) => ({ fullName: [general.uri(`a:${index}`)] }))),
    ],
  });
const longResponders = (): OcspResponse[] =>
  rowsOf(50, (index) =>
    answer({
      of: bare,
      by: root,
      responder: { name: issue({ subject: LIGATURE.repeat(15_000) + index }).subject },
    }),
  );
const repetitions = (): OcspResponse[] => {
  const one = { certId: idOf(bare, root) };
  const said = answer({ by: root, responses: rowsOf(600, () => one) });
  return rowsOf(200, () => said);
};
const carriedIssuers = (): Evidence => {
  const certificateIssuer = rowsOf(1_500, (index) => general.directory(`z${index}`));
  const revoked = [{ serial: 1, certificateIssuer }, ...rowsOf(2_000, () => ({ serial: SERIAL }))];
  return { crls: [list(root, { revoked, extensions: [issuingDistributionPoint({ indirectCRL: true })] })] };
};

function ends(top: readonly Issued[], reason: string, layers = 5, width = 4): Hostile {
  const { pool, bottom } = layered(layers, width, top);
  return { anchors: [root], intermediates: pool, leaf: issue({ subject: 'leaf', issuer: bottom }), reason };
}

function forgedTop(): Hostile {
  return ends([authority('root', 'forged')], 'signature_invalid', 4, 4);
}

function refusedEverywhere(): Hostile {
  const { pool, bottom } = layered(5, 4, [root]);
  const leaf = issue({ subject: 'leaf', issuer: bottom, extendedKeyUsage: ['1.3.6.1.5.5.7.3.4'] });
  return { anchors: [root], intermediates: pool, leaf, purpose: 'server', reason: 'limit' };
}

function clique(reason: string, forgers: readonly Issued[] = []): Hostile {
  const members = Array.from({ length: 8 }, (_, index) => authority(`member ${index}`));
  const pool = members.flatMap((one) =>
    members.filter((other) => other !== one).map((other) => certify(one, other)),
  );
  const forged = forgers.map((forger) => certify(members[1] as Issued, forger));
  const leaf = issue({ subject: 'leaf', issuer: members[0] as Issued });
  return { anchors: [root], intermediates: [...pool, ...forged], leaf, reason };
}

/** One code point that is normalised to 18. */
const LIGATURE = '\ufdfa';

function longNames(): Hostile {
  const pool = Array.from({ length: 20 }, (_, index) =>
    issue({ subject: LIGATURE.repeat(10_000) + index, ca: true, issuer: root }),
  );
  return {
    anchors: [root],
    intermediates: pool,
    leaf: issue({ subject: 'leaf', issuer: root }),
    reason: 'limit',
  };
}

/** Of which a validator's own pool knows nothing before they are compared. */
function longSubtrees(): Hostile {
  const pool: Issued[] = [];
  for (let depth = 0; depth < 12; depth++) {
    const excluded = [general.directory(LIGATURE.repeat(20_000) + depth)];
    pool.push(
      issue({
        subject: `level ${depth}`,
        ca: true,
        issuer: pool[depth - 1] ?? root,
        extensions: [nameConstraints({ excluded })],
      }),
    );
  }
  return {
    anchors: [root],
    intermediates: pool,
    leaf: issue({ subject: 'leaf', issuer: pool.at(-1) as Issued }),
    reason: 'limit',
  };
}

function longCertificates(): Hostile {
  const top = authority('top');
  const tops = Array.from({ length: 60 }, () => certify(top, root));
  const names = Array.from({ length: 12_000 }, () => general.dns('a'));
  const pool: Issued[] = [];
  for (let depth = 0; depth < 10; depth++)
    pool.push(
      issue({
        subject: `level ${depth}`,
        ca: true,
        issuer: pool[depth - 1] ?? top,
        names,
        extensions: [nameConstraints({ excluded: [general.ip(192, 0, 2, 1, 255, 255, 255, 255)] })],
      }),
    );
  const leaf = issue({ issuer: pool.at(-1) as Issued, extendedKeyUsage: ['1.3.6.1.5.5.7.3.4'] });
  return { anchors: [root], intermediates: [...tops, ...pool], leaf, purpose: 'server', reason: 'limit' };
}

function costlyKeys(): Hostile {
  const pool = Array.from({ length: 70 }, (_, index) =>
    issue({ subject: 'ca', ca: true, issuer: root, key: makeKey('P-521', `costly ${index}`) }),
  );
  const real = issue({ subject: 'ca', ca: true, issuer: root, key: makeKey('P-521', 'real') });
  return {
    anchors: [root],
    intermediates: pool,
    leaf: issue({ subject: 'leaf', issuer: real }),
    reason: 'limit',
  };
}

function namesakes(): Hostile {
  const real = authority('ca', 'real');
  const pool = Array.from({ length: 300 }, (_, index) =>
    issue({
      subject: 'ca',
      ca: true,
      issuer: root,
      key: { ...makeKey('P-256', `namesake ${index}`), keyIdentifier: real.key.keyIdentifier },
    }),
  );
  return {
    anchors: [root],
    intermediates: pool,
    leaf: issue({ subject: 'leaf', issuer: real }),
    reason: 'limit',
  };
}

function duplicates(count = 1_000): Hostile {
  const nowhere = authority('nowhere');
  const ca = authority('ca');
  const one = certify(ca, nowhere);
  const pool = Array.from({ length: count }, (_, serial) => ({
    ...one,
    certificate: { ...one.certificate, fingerprint: `${serial}`.padStart(64, '0') },
  }));
  return {
    anchors: [root],
    intermediates: pool,
    leaf: issue({ subject: 'leaf', issuer: ca }),
    reason: 'no_path',
  };
}

function longChain(): Hostile {
  const pool: Issued[] = [];
  for (let depth = 0; depth < 400; depth++)
    pool.push(
      issue({
        subject: `link ${depth}`,
        ca: true,
        issuer: pool[depth - 1] ?? root,
        key: makeKey('P-256', 'link'),
      }),
    );
  const leaf = issue({ subject: 'leaf', issuer: pool.at(-1) as Issued });
  return { anchors: [root], intermediates: pool, leaf, reason: 'limit' };
}

function subtrees(): Hostile {
  const excluded = Array.from({ length: 1_500 }, (_, index) => general.dns(`x${index}.example`));
  const ca = issue({ subject: 'ca', ca: true, issuer: root, extensions: [nameConstraints({ excluded })] });
  const names = Array.from({ length: 1_500 }, (_, index) => general.dns(`y${index}.example`));
  const leaf = issue({ subject: 'leaf', issuer: ca, names });
  return { anchors: [root], intermediates: [ca], leaf, reason: 'limit' };
}

function directorySubtrees(): Hostile {
  const directory = (label: string): Uint8Array => general.directory(label);
  const excluded = Array.from({ length: 900 }, (_, index) => directory(`x${index}`));
  const ca = issue({ subject: 'ca', ca: true, issuer: root, extensions: [nameConstraints({ excluded })] });
  const names = Array.from({ length: 900 }, (_, index) => directory(`y${index}`));
  return {
    anchors: [root],
    intermediates: [ca],
    leaf: issue({ subject: 'leaf', issuer: ca, names }),
    reason: 'limit',
  };
}

function mappedPolicies(): Hostile {
  const policies = Array.from({ length: 24 }, (_, index) => `1.3.6.1.4.1.99999.${index}`);
  const mappings = policies.flatMap((from) => policies.map((to) => [from, to] as const));
  const extensions = [certificatePolicies(policies), policyMappings(mappings)];
  const pool: Issued[] = [];
  for (let depth = 0; depth < 8; depth++)
    pool.push(issue({ subject: `level ${depth}`, ca: true, issuer: pool[depth - 1] ?? root, extensions }));
  const leaf = issue({
    subject: 'leaf',
    issuer: pool.at(-1) as Issued,
    extensions: [certificatePolicies(policies)],
  });
  return { anchors: [root], intermediates: pool, leaf, policies: { requireExplicit: true }, reason: 'limit' };
}
