/** What an anchor's certificate says binds the paths below it (RFC 5937), and does not where it is a name and a key. */
import { describe, expect, it } from 'vitest';
import { pathVerdict } from '../../test/support/path.ts';
import {
  OID,
  SCHEMES,
  certificatePolicies,
  extension,
  general,
  inhibitAnyPolicy,
  issue,
  keyUsage,
  nameConstraints,
  policyConstraints,
  policyMappings,
  type IssueInput,
  type Issued,
} from '../../test/support/pki.ts';
import type { GeneralSubtree, NameConstraints } from '../certificate/types.ts';

const GOLD = '1.2.3.1';
const SILVER = '1.2.3.2';
const explicit = policyConstraints({ requireExplicitPolicy: 0 });
const gold = certificatePolicies([GOLD]);

/** The same two certificates below any anchor of the same name and key. */
function chainBelow(
  anchor: IssueInput,
  ofCa: readonly Uint8Array[],
  ofLeaf: readonly Uint8Array[],
): Issued[] {
  const root = issue({ subject: 'root', ca: true, ...anchor });
  const ca = issue({ subject: 'ca', issuer: root, ca: true, extensions: ofCa });
  return [root, ca, issue({ issuer: ca, names: [general.dns('a.example')], extensions: ofLeaf })];
}

describe('an anchor as a certificate, and as a name and a key', () => {
  const dns = (base: string): Uint8Array => nameConstraints({ permitted: [general.dns(base)] });
  const mapped = [gold, policyMappings([[GOLD, SILVER]])];
  const silver = certificatePolicies([SILVER]);
  it.each<[string, IssueInput, readonly Uint8Array[], readonly Uint8Array[], string]>([
    ['nothing', {}, [], [], 'valid'],
    ['name constraints that hold', { extensions: [dns('example')] }, [], [], 'valid'],
    [
      'name constraints that do not',
      { extensions: [dns('test')] },
      [],
      [],
      'name_constraints | 6.1.3 (b) | 0',
    ],
    ['path length 1', { pathLen: 1 }, [], [], 'valid'],
    ['path length 0', { pathLen: 0 }, [], [], 'path_too_long | 6.1.4 (l) | 1'],
    ['an explicit policy, and none', { extensions: [explicit] }, [], [], 'policy | 6.1.3 (f) | 1'],
    ['an explicit policy, and one', { extensions: [explicit] }, [gold], [gold], 'valid'],
    [
      'an explicit policy, and another than those of the anchor',
      { extensions: [explicit, certificatePolicies([SILVER])] },
      [gold],
      [gold],
      'policy | 6.1.5 (g) | 0',
    ],
    [
      'an explicit policy, and any of the anchor',
      { extensions: [explicit, certificatePolicies([OID.anyPolicy])] },
      [gold],
      [gold],
      'valid',
    ],
    ['an explicit policy of the anchor', { extensions: [explicit, gold] }, [gold], [gold], 'valid'],
    [
      'mapping inhibited',
      { extensions: [policyConstraints({ requireExplicitPolicy: 0, inhibitPolicyMapping: 0 })] },
      mapped,
      [silver],
      'policy | 6.1.3 (f) | 0',
    ],
    ['mapping not inhibited', { extensions: [explicit] }, mapped, [silver], 'valid'],
    [
      'anyPolicy inhibited',
      { extensions: [explicit, inhibitAnyPolicy(0)] },
      [certificatePolicies([OID.anyPolicy])],
      [gold],
      'policy | 6.1.3 (f) | 1',
    ],
    ['cA is not said', { onlyExtensions: [keyUsage('keyCertSign')] }, [], [], 'not_a_ca | 4.2.1.9 | 2'],
    ['keyCertSign is not said', { usages: ['cRLSign'] }, [], [], 'key_usage | 4.2.1.3 | 2'],
    [
      'an unknown critical extension',
      { extensions: [extension('1.2.3.4', Uint8Array.of(5, 0), true)] },
      [],
      [],
      'unknown_critical_extension | RFC 5937 section 3.2 | 2',
    ],
    [
      'another algorithm outside of what is signed',
      { outerAlgorithm: SCHEMES['ecdsa-sha384'].algorithm },
      [],
      [],
      'algorithm_mismatch | 4.1.1.2 | 2',
    ],
    ['a signature that is none', { signatureValue: Uint8Array.of(1) }, [], [], 'valid'],
    ['version 1', { onlyExtensions: [] }, [], [], 'valid'],
  ])('%s', (_title, anchor, ofCa, ofLeaf, verdict) => {
    const chain = chainBelow(anchor, ofCa, ofLeaf);
    expect(pathVerdict(chain)).toBe(verdict);
    expect(pathVerdict(chain, { isBareAnchor: true })).toBe('valid');
  });

  it('a key that no policy takes refuses in any form', () => {
    const root = issue({ subject: 'root', ca: true, key: 'RSA-1024' });
    const chain = [root, issue({ issuer: root })];
    expect(pathVerdict(chain)).toBe('key_refused | 4.1.2.7 | 1');
    expect(pathVerdict(chain, { isBareAnchor: true })).toBe('key_refused | 4.1.2.7 | 1');
  });

  it('an extended usage of the anchor binds', () => {
    const root = issue({ subject: 'root', ca: true, extendedKeyUsage: [OID.serverAuth] });
    const chain = [root, issue({ issuer: root })];
    expect(pathVerdict(chain, { extendedKeyUsage: [OID.serverAuth] })).toBe('valid');
    const clientAuth = '1.3.6.1.5.5.7.3.2';
    expect(pathVerdict(chain, { extendedKeyUsage: [clientAuth] })).toBe('extended_key_usage | 4.2.1.12 | 1');
    expect(pathVerdict(chain, { extendedKeyUsage: [clientAuth], isBareAnchor: true })).toBe('valid');
  });

  it.each<[string[], string]>([
    [[GOLD], 'valid'],
    [[GOLD, SILVER], 'valid'],
    [[SILVER], 'policy | 6.1.5 (g) | 0'],
    [[OID.anyPolicy], 'valid'],
  ])('of the policies that the caller asks for, %j, those of the anchor count', (initial, verdict) => {
    const both = certificatePolicies([GOLD, SILVER]);
    const chain = chainBelow({ extensions: [explicit, gold] }, [both], [both]);
    expect(pathVerdict(chain, { policies: { initial } })).toBe(verdict);
  });
});

describe('initial-permitted-subtrees and initial-excluded-subtrees', () => {
  const subtree = (value: string): GeneralSubtree => ({
    base: { kind: 'dns', value },
    minimum: 0,
    maximum: undefined,
  });
  const chain = chainBelow(
    { extensions: [nameConstraints({ permitted: [general.dns('example')] })] },
    [],
    [],
  );
  it.each<[string, NameConstraints, string]>([
    ['permitted, within', { permitted: [subtree('a.example')], excluded: undefined }, 'valid'],
    [
      'permitted, outside of',
      { permitted: [subtree('b.example')], excluded: undefined },
      'name_constraints | 6.1.3 (b) | 0',
    ],
    [
      'permitted, wider than the anchor and outside of what it permits',
      { permitted: [subtree('test')], excluded: undefined },
      'name_constraints | 6.1.3 (b) | 0',
    ],
    [
      'excluded, within',
      { permitted: undefined, excluded: [subtree('example')] },
      'name_constraints | 6.1.3 (c) | 0',
    ],
    ['excluded, outside of', { permitted: undefined, excluded: [subtree('b.example')] }, 'valid'],
    ['without a subtree', { permitted: [], excluded: undefined }, 'name_constraints | 4.2.1.10 | 2'],
  ])('%s', (_title, constraints, verdict) => {
    expect(pathVerdict(chain, { nameConstraints: constraints })).toBe(verdict);
  });

  it('are those of now when the caller has changed them', () => {
    const mine = { permitted: [subtree('example')], excluded: undefined };
    expect(pathVerdict(chain, { nameConstraints: mine })).toBe('valid');
    mine.permitted = [subtree('b.example')];
    expect(pathVerdict(chain, { nameConstraints: mine })).toBe('name_constraints | 6.1.3 (b) | 0');
  });
});
