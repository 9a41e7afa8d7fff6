/** What holds for every hierarchy: fast-check looks for one for which it does not. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anchorFrom } from '../src/build/anchors.ts';
import type { ValidationInput } from '../src/input.ts';
import type { Limits } from '../src/limits.ts';
import type { ValidationResult } from '../src/result.ts';
import { parseCertificateList } from '../src/revocation/crl/parse.ts';
import type { CertificateList } from '../src/revocation/crl/types.ts';
import { createValidator } from '../src/validate.ts';
import { AT, issue, makeCrl, type Issued } from './support/pki.ts';
import {
  CAS,
  CONSTRAINTS,
  LEAF_NAME,
  grow,
  plan,
  type Constraints,
  type Hierarchy,
  type Plan,
} from './support/random-hierarchy.ts';

const RUNS = { numRuns: 150 };

type Asked = Partial<Pick<ValidationInput, 'revocation' | 'intermediates'>>;

function validate(hierarchy: Hierarchy, asked: Asked = {}, limits: Partial<Limits> = {}): ValidationResult {
  const validator = createValidator({
    anchors: hierarchy.anchors.map(({ certificate }) => anchorFrom(certificate)),
    limits,
  });
  return validator.validate(hierarchy.leaf.certificate, {
    at: AT,
    purpose: 'server',
    names: [{ kind: 'dns', value: LEAF_NAME }],
    intermediates: hierarchy.intermediates.map(({ certificate }) => certificate),
    ...asked,
  });
}

/** All of a result but its cost. */
function told(result: ValidationResult): unknown {
  if (result.valid) {
    const { path, anchor, policies, notAfterMs, revocation } = result;
    return { path: prints(path), anchor: anchor.certificate?.fingerprint, policies, notAfterMs, revocation };
  }
  const candidates = result.candidates.map(({ path, anchor, failure }) => ({
    path: prints(path),
    anchor: anchor?.certificate?.fingerprint,
    failure,
  }));
  return { failure: result.failure, candidates };
}

function prints(path: readonly { readonly fingerprint: string }[]): readonly string[] {
  return path.map(({ fingerprint }) => fingerprint);
}

function withoutConstraint<T extends Constraints>(constrained: T, name: (typeof CONSTRAINTS)[number]): T {
  return { ...constrained, [name]: undefined };
}

/** The plan with one constraint less, of a link or of an anchor. */
function relax(its: Plan, place: number, name: (typeof CONSTRAINTS)[number]): Plan {
  const at = place % (its.links.length + its.anchors.length);
  return {
    ...its,
    links: its.links.map((link, index) => (index === at ? withoutConstraint(link, name) : link)),
    anchors: its.anchors.map((anchor, index) =>
      index + its.links.length === at
        ? { ...anchor, constraints: withoutConstraint(anchor.constraints, name) }
        : anchor,
    ),
  };
}

/** A complete list of every CA; `revoked` are serial numbers, whoever issued them. */
function listsOf({ cas }: Hierarchy, revoked: readonly number[]): CertificateList[] {
  return cas.map((ca) => {
    const parsed = parseCertificateList(
      makeCrl({ issuer: ca.subject, signer: ca.key, revoked: revoked.map((serial) => ({ serial })) }),
    );
    if (!parsed.ok) throw new Error(parsed.failure.problem);
    return parsed.value;
  });
}

const serial = fc.oneof(fc.integer({ min: 99, max: 110 }), fc.constant(99));

describe('for every hierarchy', () => {
  test('some are valid and some are not, and those that are not are so for many reasons', () => {
    const results = fc.sample(plan, { numRuns: 600, seed: 1 }).map((its) => validate(grow(its)));
    const reasons = new Set(results.map((result) => (result.valid ? 'valid' : result.failure.reason)));
    expect(results.filter(({ valid }) => valid).length).toBeGreaterThan(80);
    expect([...reasons]).toEqual(
      expect.arrayContaining([
        'valid',
        'no_path',
        'expired',
        'not_a_ca',
        'key_usage',
        'path_too_long',
        'extended_key_usage',
        'name_constraints',
        'policy',
      ]),
    );
  });

  test('removing a constraint invalidates nothing', () => {
    fc.assert(
      fc.property(plan, fc.nat(), fc.constantFrom(...CONSTRAINTS), (its, place, name) => {
        if (!validate(grow(its)).valid) return;
        expect(validate(grow(relax(its, place, name))).valid).toBe(true);
      }),
      RUNS,
    );
  });

  test('adding a revocation validates nothing', () => {
    fc.assert(
      fc.property(plan, fc.array(serial, { maxLength: 4 }), serial, (its, revoked, more) => {
        const hierarchy = grow(its);
        const under = (serials: readonly number[]): boolean =>
          validate(hierarchy, { revocation: { mode: 'crl', crls: listsOf(hierarchy, serials) } }).valid;
        if (under([...revoked, more])) expect(under(revoked)).toBe(true);
      }),
      RUNS,
    );
  });

  test('a revoked leaf is never valid, and revocation that is asked for validates nothing', () => {
    fc.assert(
      fc.property(plan, (its) => {
        const hierarchy = grow(its);
        const crls = listsOf(hierarchy, [99]);
        expect(validate(hierarchy, { revocation: { mode: 'crl', crls } }).valid).toBe(false);
        const unrevoked = validate(hierarchy, { revocation: { mode: 'crl', crls: listsOf(hierarchy, []) } });
        if (unrevoked.valid) expect(validate(hierarchy).valid).toBe(true);
      }),
      RUNS,
    );
  });

  test('no order matters: of the pool, of the anchors', () => {
    const shuffled = plan.chain((its) =>
      fc.tuple(fc.constant(its), fc.shuffledSubarray([...its.links.keys()], { minLength: its.links.length })),
    );
    fc.assert(
      fc.property(shuffled, ([its, order]) => {
        const hierarchy = grow(its);
        const intermediates = order.map((index) => hierarchy.intermediates[index] as Issued);
        const other = { ...hierarchy, intermediates, anchors: hierarchy.anchors.toReversed() };
        expect(told(validate(other))).toEqual(told(validate(hierarchy)));
      }),
      RUNS,
    );
  });

  test('certificates that have nothing to do with it do not matter', () => {
    const strangers = [
      issue({ subject: 'stranger', ca: true }),
      issue({ subject: 'stranger', ca: true, issuer: issue({ subject: 'ca 0', ca: true }) }),
      issue({ subject: 'neighbour', issuer: issue({ subject: 'ca 1', ca: true }) }),
    ];
    fc.assert(
      fc.property(plan, fc.subarray(strangers, { minLength: 1 }), (its, more) => {
        const hierarchy = grow(its);
        const crowded = { ...hierarchy, intermediates: [...more, ...hierarchy.intermediates] };
        expect(told(validate(crowded))).toEqual(told(validate(hierarchy)));
      }),
      RUNS,
    );
  });

  test('adding an intermediate invalidates nothing', () => {
    fc.assert(
      fc.property(plan, (its) => {
        const { links } = its;
        if (!validate(grow({ ...its, links: links.slice(1) })).valid) return;
        expect(validate(grow(its)).valid).toBe(true);
      }),
      RUNS,
    );
  });

  test('what is valid within limits is valid, with the same path, within larger ones', () => {
    const few = fc.record({
      certificates: fc.nat({ max: 12 }),
      buildSteps: fc.nat({ max: 40 }),
      candidatePaths: fc.nat({ max: 4 }),
      signatureChecks: fc.nat({ max: 10 }),
      intermediatesInPath: fc.nat({ max: CAS }),
      nameComparisons: fc.nat({ max: 20 }),
      policyNodes: fc.nat({ max: 20 }),
    });
    fc.assert(
      fc.property(plan, few, (its, limits) => {
        const hierarchy = grow(its);
        const bounded = validate(hierarchy, {}, limits);
        if (bounded.valid) expect(told(validate(hierarchy))).toEqual(told(bounded));
      }),
      RUNS,
    );
  });

  test('the answer is the same with a cache that knows everything and with one that knows nothing', () => {
    fc.assert(
      fc.property(plan, (its) => {
        const hierarchy = grow(its);
        const anchors = hierarchy.anchors.map(({ certificate }) => anchorFrom(certificate));
        const validator = createValidator({ anchors });
        const input = {
          at: AT,
          intermediates: hierarchy.intermediates.map(({ certificate }) => certificate),
        };
        const first = validator.validate(hierarchy.leaf.certificate, input);
        const second = validator.validate(hierarchy.leaf.certificate, input);
        expect(told(second)).toEqual(told(first));
        expect(second.work.signatureChecks).toBe(0);
      }),
      RUNS,
    );
  });
});
