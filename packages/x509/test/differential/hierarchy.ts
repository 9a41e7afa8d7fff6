/** Hierarchies at random: a chain of CAs, what crosses it, and certificates that only look as if they belonged to it. */
import {
  OID,
  authorityKeyIdentifier,
  basicConstraints,
  certificatePolicies,
  extendedKeyUsage,
  extension,
  inhibitAnyPolicy,
  keyUsage,
  makeKey,
  policyConstraints,
  policyMappings,
  subjectAltName,
  subjectKeyIdentifier,
  type KeyKind,
  type TestKey,
} from '../support/pki.ts';
import { draftOf, type Draft, type Entity, type Role } from './draft.ts';
import type { Draw } from './draw.ts';
import { ORGANISATION, alternativeNames, constraintsOn, leafSubject } from './names.ts';

/** What a case is about: one thing is tried hard, and the rest is as it should be, so that one fault is not hidden by another. */
export const FOCUSES = [
  'paths',
  'names',
  'policies',
  'usages',
  'identifiers',
  'keys',
  'expected names',
  'revocation',
  'fields',
  'everything',
] as const;
export type Focus = (typeof FOCUSES)[number];

export interface Hierarchy {
  readonly drafts: Draft[];
  /** Root first, the leaf's issuer last. */
  readonly cas: readonly Entity[];
  readonly leaf: Entity;
}

const KINDS: readonly KeyKind[] = [
  ...repeat('P-256', 12),
  ...repeat('Ed25519', 4),
  'RSA-2048',
  'RSA-2048',
  'P-384',
  'P-521',
  'RSA-3072',
];
const WEAK: readonly KeyKind[] = ['RSA-1024', 'secp256k1', 'Ed448'];
const RARE: ReadonlySet<KeyKind> = new Set<KeyKind>(['RSA-1024', 'RSA-3072', 'secp256k1', 'Ed448']);

function repeat(value: KeyKind, times: number): KeyKind[] {
  return Array.from({ length: times }, () => value);
}

/** RSA keys take long to make, so that a few do for all cases. */
function keyOf(draw: Draw, focus: Focus, label: string): TestKey {
  const kind = draw.pick(focus === 'keys' && draw.chance(0.15) ? WEAK : KINDS);
  if (RARE.has(kind)) return makeKey(kind);
  return makeKey(kind, kind.startsWith('RSA') ? `differential ${label.length % 4}` : `differential ${label}`);
}

export function growHierarchy(draw: Draw, focus: Focus): Hierarchy {
  const depth = draw.pick([0, 1, 1, 2, 2, 2, 3, 4]);
  const cas = Array.from({ length: depth + 1 }, (_, at) =>
    entity(draw, focus, at === 0 ? 'root' : `ca ${at}`),
  );
  const leaf: Entity = { label: 'leaf', subject: leafSubject(draw), key: keyOf(draw, focus, 'leaf') };
  const serials = serialNumbers();
  const policies = focus === 'policies' || draw.chance(0.1);
  const drafts: Draft[] = [];
  const certify = (role: Role, of: Entity, by: Entity, below: number): void => {
    const extensions =
      role === 'leaf'
        ? leafExtensions(draw, focus, of, by, policies)
        : caExtensions(draw, focus, of, by, below, policies);
    drafts.push(draftOf(role, of, by, serials(), extensions));
  };
  const at = (place: number): Entity => cas[place] as Entity;
  certify('anchor', at(0), at(0), depth);
  for (let place = 1; place <= depth; place += 1)
    certify('intermediate', at(place), at(place - 1), depth - place);
  certify('leaf', leaf, at(depth), 0);
  if (focus === 'paths' || draw.chance(0.2)) addCrossings(draw, focus, cas, certify);
  return { drafts, cas, leaf };
}

function entity(draw: Draw, focus: Focus, label: string): Entity {
  return { label, subject: [...ORGANISATION, ['CN', label]], key: keyOf(draw, focus, label) };
}

function serialNumbers(): () => number {
  let last = 100;
  return () => (last += 1);
}

/** Roll-overs of keys, a second root that may be trusted, the same names with other keys, a path in the wrong direction. */
function addCrossings(
  draw: Draw,
  focus: Focus,
  cas: readonly Entity[],
  certify: (role: Role, of: Entity, by: Entity, below: number) => void,
): void {
  const other = entity(draw, focus, 'other root');
  const any = (): Entity => draw.pick(cas);
  for (let count = 1 + draw.below(3); count > 0; count -= 1) {
    switch (draw.below(6)) {
      case 0:
        certify(draw.chance(0.5) ? 'anchor' : 'intermediate', other, other, 3);
        certify('intermediate', any(), other, 3);
        break;
      case 1:
        certify('intermediate', other, any(), 3);
        certify('intermediate', any(), other, 3);
        break;
      case 2: {
        const rolled = any();
        certify('intermediate', rolled, { ...rolled, key: keyOf(draw, focus, 'rolled') }, 3);
        break;
      }
      case 3: {
        const same = any();
        certify(
          draw.chance(0.3) ? 'anchor' : 'intermediate',
          { ...same, label: `false ${same.label}`, key: keyOf(draw, focus, 'false') },
          draw.chance(0.5) ? any() : other,
          3,
        );
        break;
      }
      case 4:
        certify('intermediate', any(), any(), 3);
        break;
      default: {
        // The CA whose certificates come next has two keys: one certifies the other.
        const place = draw.below(cas.length);
        const old = { ...(cas[place] as Entity), key: keyOf(draw, focus, 'old') };
        const above = cas[place - 1] ?? old;
        certify(place === 0 ? 'anchor' : 'intermediate', old, above, 3);
        certify('intermediate', cas[place] as Entity, old, 3);
      }
    }
  }
}

const identifiers = (draw: Draw, focus: Focus, of: Entity, by: Entity, isCa: boolean): Uint8Array[] => {
  const odd = focus === 'identifiers' ? 0.15 : 0;
  const authority = draw.chance(odd)
    ? authorityKeyIdentifier(
        draw.pick([
          { keyIdentifier: of.key.keyIdentifier.map((octet) => octet ^ 1) },
          { serialNumber: 7 },
          {},
        ]),
      )
    : authorityKeyIdentifier({ keyIdentifier: by.key.keyIdentifier });
  return [
    ...(!isCa && draw.chance(0.5)
      ? []
      : draw.chance(odd)
        ? []
        : [subjectKeyIdentifier(of.key.keyIdentifier)]),
    ...(draw.chance(odd) ? [] : [authority]),
  ];
};

const USAGES = [
  OID.serverAuth,
  OID.clientAuth,
  OID.emailProtection,
  OID.anyExtendedKeyUsage,
  OID.OCSPSigning,
  OID.codeSigning,
];

function caExtensions(
  draw: Draw,
  focus: Focus,
  of: Entity,
  by: Entity,
  below: number,
  policies: boolean,
): Uint8Array[] {
  const tries = (what: Focus, often: number, seldom: number): boolean =>
    draw.chance(focus === what || focus === 'everything' ? often : seldom);
  const pathLen = tries('paths', 0.4, 0.1) ? Math.max(0, below + draw.pick([-1, -1, 0, 0, 1, 2])) : undefined;
  return [
    basicConstraints(true, pathLen),
    ...(tries('usages', 0.1, 0.05) ? [] : [keyUsage('keyCertSign', 'cRLSign')]),
    ...identifiers(draw, focus, of, by, true),
    ...(tries('usages', 0.3, 0.02)
      ? [
          extendedKeyUsage([
            draw.pick([OID.serverAuth, OID.serverAuth, OID.clientAuth]),
            ...draw.several(USAGES, 0, 2),
          ]),
        ]
      : []),
    ...(tries('names', 0.5, 0.05) ? [constraintsOn(draw, focus === 'names' ? 0.4 : 0.1)] : []),
    ...(policies ? policyExtensions(draw) : []),
    ...(tries('fields', 0.2, 0.02) ? [extension('1.2.3.4.5', Uint8Array.of(5, 0))] : []),
  ];
}

function leafExtensions(draw: Draw, focus: Focus, of: Entity, by: Entity, policies: boolean): Uint8Array[] {
  const odd = focus === 'names' || focus === 'expected names' ? 0.2 : 0;
  const usages = focus === 'usages' || focus === 'everything';
  return [
    ...(draw.chance(0.3) ? [basicConstraints(false)] : []),
    ...(draw.chance(0.2)
      ? []
      : [
          draw.chance(usages ? 0.3 : 0)
            ? keyUsage(draw.pick(['keyAgreement', 'nonRepudiation', 'keyEncipherment', 'cRLSign']))
            : keyUsage('digitalSignature'),
        ]),
    ...identifiers(draw, focus, of, by, false),
    ...(draw.chance(usages ? 0.7 : 0.2)
      ? [
          extendedKeyUsage(
            draw.chance(usages ? 0.3 : 0) ? draw.several(USAGES, 1, 3) : [OID.serverAuth, OID.clientAuth],
          ),
        ]
      : []),
    ...(draw.chance(0.1) ? [] : [subjectAltName(alternativeNames(draw, odd))]),
    ...(policies ? [certificatePolicies(draw.chance(0.8) ? [GOLD, SILVER] : uniquePolicies(draw))] : []),
  ];
}

export const GOLD = '1.2.3.1';
export const SILVER = '1.2.3.2';
const POLICIES = [GOLD, SILVER, '1.2.3.3', OID.anyPolicy];
const uniquePolicies = (draw: Draw): string[] => [...new Set(draw.several(POLICIES, 1, 3))];

function policyExtensions(draw: Draw): Uint8Array[] {
  const skip = (): number => draw.below(4);
  const mapped = (): string => draw.pick(draw.chance(0.05) ? [OID.anyPolicy] : [GOLD, SILVER, '1.2.3.3']);
  return [
    ...(draw.chance(0.1)
      ? []
      : [certificatePolicies(draw.chance(0.6) ? [GOLD, SILVER, '1.2.3.3'] : uniquePolicies(draw))]),
    ...(draw.chance(0.3)
      ? [policyMappings(Array.from({ length: 1 + draw.below(2) }, () => [mapped(), mapped()]))]
      : []),
    ...(draw.chance(0.3)
      ? [
          policyConstraints({
            ...(draw.chance(0.7) ? { requireExplicitPolicy: skip() } : { inhibitPolicyMapping: 0 }),
            ...(draw.chance(0.3) ? { inhibitPolicyMapping: skip() } : {}),
          }),
        ]
      : []),
    ...(draw.chance(0.2) ? [inhibitAnyPolicy(skip())] : []),
  ];
}
