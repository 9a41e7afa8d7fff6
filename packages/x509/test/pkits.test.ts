/**
 * NIST PKITS 1.0.1, all of it, each case a test: the verdict, the policies of what is valid and the reason of what is not.
 * Everything runs through the public validator with CRLs required, with the certificates and CRLs of the case in the order
 * of the file, reversed and shuffled. Origin and licence: SOURCE.md beside the vectors.
 */
import { expect, it } from 'vitest';
import { anchorFrom } from '../src/build/anchors.ts';
import { createCache } from '../src/cache.ts';
import { parseCertificate } from '../src/certificate/parse-certificate.ts';
import type { Certificate } from '../src/certificate/types.ts';
import { parseCertificateList } from '../src/revocation/crl/parse.ts';
import { unsafeLegacyAlgorithms } from '../src/signature/policy.ts';
import { createValidator } from '../src/validate.ts';
import { PKITS_REASONS } from './pkits-reasons.ts';
import { vectorFile, vectorSuite } from './support/vector-suite.ts';

interface PkitsCase {
  readonly id: string;
  readonly title: string;
  /** Anchor first, target last. */
  readonly certs: readonly string[];
  readonly crls: readonly string[];
  readonly initialPolicySet: readonly string[];
  readonly userConstrainedPolicySet: readonly string[];
  readonly initialExplicitPolicy: boolean;
  readonly initialPolicyMappingInhibit: boolean;
  readonly initialInhibitAnyPolicy: boolean;
  readonly time: string;
  readonly shouldValidate: boolean;
}

/** Sections 4.1.4 to 4.1.6 are about DSA with SHA-1. */
const algorithms = unsafeLegacyAlgorithms();
const cache = createCache();

vectorSuite<{ cases: readonly PkitsCase[] }>('NIST PKITS', 'pkits/pkits.json', ({ cases }) => {
  let ran = 0;
  const numbers = new Map<string, number>();
  for (const testCase of cases) {
    const number = (numbers.get(testCase.id) ?? 0) + 1;
    numbers.set(testCase.id, number);
    it(`${testCase.title} (${number})`, () => {
      ran += 1;
      for (const arrange of ARRANGEMENTS) expect(verdict(testCase, arrange)).toEqual(expected(testCase));
    });
  }

  it('has 249 cases, with a reason for each that is refused', () => {
    expect(cases).toHaveLength(249);
    const refused = cases.filter(({ shouldValidate }) => !shouldValidate).map(({ id }) => id);
    expect(Object.keys(PKITS_REASONS).toSorted()).toEqual([...new Set(refused)].toSorted());
  });

  it('ran 249, when all of them were asked for', ({ task }) => {
    const isWhole = task.suite?.tasks.every(({ mode }) => mode === 'run') ?? false;
    expect(isWhole ? ran : 249).toBe(249);
  });
});

type Arrange = <T>(things: readonly T[]) => T[];
const ARRANGEMENTS: readonly Arrange[] = [
  (things) => [...things],
  (things) => things.toReversed(),
  // an order that depends on nothing but the number of things
  (things) =>
    things.map((_, index) => things[(index * 7 + 3) % things.length]).filter((one) => one !== undefined),
];

function expected(testCase: PkitsCase): object {
  if (!testCase.shouldValidate) return { valid: false, reason: PKITS_REASONS[testCase.id] };
  return { valid: true, policies: testCase.userConstrainedPolicySet.map(policyOid).toSorted() };
}

function verdict(testCase: PkitsCase, arrange: Arrange): object {
  const [anchor, ...others] = testCase.certs.map((name) => certificateOf(name));
  const target = others.pop();
  if (anchor === undefined || target === undefined) return { valid: false, reason: 'malformed' };
  const crls = testCase.crls.map((name) => parseCertificateList(read('crls', `${name}.crl`)));
  const validator = createValidator({ anchors: [anchorFrom(anchor)], algorithms, cache });
  const result = validator.validate(target, {
    at: new Date(testCase.time),
    intermediates: arrange(others.filter((other) => other !== undefined)),
    policies: {
      initial: testCase.initialPolicySet.map(policyOid),
      requireExplicit: testCase.initialExplicitPolicy,
      inhibitMapping: testCase.initialPolicyMappingInhibit,
      inhibitAny: testCase.initialInhibitAnyPolicy,
    },
    revocation: { mode: 'crl', crls: arrange(crls.filter((crl) => crl.ok).map(({ value }) => value)) },
  });
  if (!result.valid) return { valid: false, reason: result.failure.reason };
  const { userConstrained } = result.policies;
  return {
    valid: true,
    policies: userConstrained === 'any' ? [policyOid('anyPolicy')] : userConstrained.toSorted(),
  };
}

/** Undefined: malformed, as the certificates and CRLs of 4.1.2, 4.1.6 and 4.4.4 are, whose signatures have unused bits. */
function certificateOf(name: string): Certificate | undefined {
  const parsed = parseCertificate(read('certs', `${name}.crt`));
  return parsed.ok ? parsed.value : undefined;
}

function policyOid(symbol: string): string {
  if (symbol === 'anyPolicy') return '2.5.29.32.0';
  return `2.16.840.1.101.3.2.1.48.${symbol.replace('NIST-test-policy-', '')}`;
}

function read(folder: string, name: string): Uint8Array {
  return vectorFile(`pkits/${folder}/${name}`);
}
