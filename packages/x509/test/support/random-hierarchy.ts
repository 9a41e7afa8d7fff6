/** Hierarchies at random: a few CAs that certify each other in any way, with constraints and flaws, some of them trusted. */
import fc from 'fast-check';
import type { KeyUsage } from '../../src/certificate/types.ts';
import {
  OID,
  certificatePolicies,
  extendedKeyUsage,
  general,
  issue,
  makeKey,
  nameConstraints,
  policyConstraints,
  type Issued,
} from './pki.ts';

/** What a CA certificate may be bound by; each is absent when undefined. */
export interface Constraints {
  readonly pathLen?: number | undefined;
  readonly permitted?: string | undefined;
  readonly excluded?: string | undefined;
  readonly usage?: string | undefined;
  readonly requireExplicitPolicy?: number | undefined;
}
export const CONSTRAINTS = ['pathLen', 'permitted', 'excluded', 'usage', 'requireExplicitPolicy'] as const;

export type Flaw = 'none' | 'expired' | 'not a CA' | 'no keyCertSign' | 'forged';

/** One CA certificate: `subject` and `issuer` are numbers of CAs, a CA has one name and one key. */
export interface Link extends Constraints {
  readonly subject: number;
  readonly issuer: number;
  readonly flaw: Flaw;
}

export interface Plan {
  readonly links: readonly Link[];
  /** Numbers of the CAs that are trusted, each by a self-signed certificate. */
  readonly anchors: readonly { readonly ca: number; readonly constraints: Constraints }[];
  /** The CA that issued the leaf. */
  readonly issuer: number;
}

export interface Hierarchy {
  readonly anchors: readonly Issued[];
  /** As the links of the plan. */
  readonly intermediates: readonly Issued[];
  readonly leaf: Issued;
  /** By number, to sign what is not a certificate. */
  readonly cas: readonly Issued[];
}

export const CAS = 5;
export const LEAF_NAME = 'www.leaf.example';

const PAST = new Date('2025-06-01T00:00:00Z');
const POLICY = '1.3.6.1.4.1.99999.1';
const POLICIES = [POLICY, OID.anyPolicy, POLICY, '1.3.6.1.4.1.99999.2'];

const ca = fc.nat({ max: CAS - 1 });
const rarely = <T>(values: readonly T[]): fc.Arbitrary<T | undefined> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom(...values) },
  );

const constraints: fc.Arbitrary<Constraints> = fc.record({
  pathLen: rarely([0, 1, 2]),
  permitted: rarely(['leaf.example', 'other.example']),
  excluded: rarely(['leaf.example', 'other.example']),
  usage: rarely([OID.serverAuth, OID.emailProtection]),
  requireExplicitPolicy: rarely([0, 1, 2]),
});

const flaw = fc.oneof(
  { weight: 8, arbitrary: fc.constant<Flaw>('none') },
  { weight: 1, arbitrary: fc.constantFrom<Flaw>('expired', 'not a CA', 'no keyCertSign', 'forged') },
);

const link = fc
  .tuple(ca, ca, flaw, constraints)
  .map(([subject, issuer, itsFlaw, its]): Link => ({ subject, issuer, flaw: itsFlaw, ...its }));

export const plan: fc.Arbitrary<Plan> = fc.record({
  links: fc.array(link, { minLength: 2, maxLength: 10 }),
  anchors: fc.array(fc.record({ ca, constraints }), { minLength: 1, maxLength: 2 }),
  issuer: ca,
});

/** One name and one key each, whatever certificates they have. */
const cas: readonly Issued[] = Array.from({ length: CAS }, (_, number) =>
  issue({ subject: `ca ${number}`, ca: true, serial: 1 }),
);

export function grow({ links, anchors, issuer }: Plan): Hierarchy {
  return {
    cas,
    anchors: anchors.map((anchor) =>
      certificateOf({ ...anchor.constraints, subject: anchor.ca, issuer: anchor.ca, flaw: 'none' }, 1),
    ),
    intermediates: links.map((one, index) => certificateOf(one, 100 + index)),
    leaf: issue({
      subject: 'leaf',
      serial: 99,
      issuer: cas[issuer] as Issued,
      names: [general.dns(LEAF_NAME)],
      extendedKeyUsage: [OID.serverAuth],
      extensions: [certificatePolicies([POLICY])],
    }),
  };
}

function certificateOf(its: Link, serial: number): Issued {
  const subject = cas[its.subject] as Issued;
  const { permitted, excluded, usage, requireExplicitPolicy } = its;
  const usages: readonly KeyUsage[] =
    its.flaw === 'no keyCertSign' ? ['cRLSign'] : ['keyCertSign', 'cRLSign'];
  return issue({
    subject: subject.subject,
    key: subject.key,
    issuer:
      its.flaw === 'forged'
        ? { ...(cas[its.issuer] as Issued), key: makeKey('P-256', 'forger') }
        : (cas[its.issuer] as Issued),
    serial,
    ca: its.flaw !== 'not a CA',
    ...(its.pathLen === undefined || its.flaw === 'not a CA' ? {} : { pathLen: its.pathLen }),
    ...(its.flaw === 'expired' ? { notAfter: PAST } : {}),
    usages,
    extensions: [
      ...(permitted === undefined && excluded === undefined ? [] : [subtreesOf(permitted, excluded)]),
      ...(usage === undefined ? [] : [extendedKeyUsage([usage])]),
      ...(requireExplicitPolicy === undefined ? [] : [policyConstraints({ requireExplicitPolicy })]),
      certificatePolicies([POLICIES[its.subject % POLICIES.length] ?? POLICY]),
    ],
  });
}

function subtreesOf(permitted: string | undefined, excluded: string | undefined): Uint8Array {
  return nameConstraints({
    ...(permitted === undefined ? {} : { permitted: [general.dns(permitted)] }),
    ...(excluded === undefined ? {} : { excluded: [general.dns(excluded)] }),
  });
}
