import { describe, expect, it } from 'vitest';
import {
  mapIdentity,
  mayMeet,
  ruleProblem,
  type CertificateNames,
  type IdentityRule,
} from './identity-rule.ts';

const none: CertificateNames = { uri: [], dns: [], email: [], commonName: [] };
const agents: IdentityRule = {
  from: 'uri',
  pattern: 'spiffe://partner.example/agent/{name}',
  principal: 'workload:partner.{name}',
};

describe('a rule', () => {
  it.each<[string, Partial<IdentityRule>]>([
    ['two holes', { pattern: '{name}/{name}' }],
    ['a hole in the pattern only', { principal: 'workload:partner' }],
    ['a hole in the principal only', { pattern: 'spiffe://partner.example/agent' }],
    ['no kind', { principal: 'partner.{name}' }],
    ['a service', { principal: 'svc:partner.{name}' }],
    ['letters that no id has', { principal: 'user:Partner.{name}' }],
    ['nothing before the name', { principal: 'user:{name}' }],
    ['a letter before the name', { principal: 'user:a{name}' }],
    ['a letter behind the name', { principal: 'user:{name}n' }],
    ['a host that no name has', { from: 'dns', pattern: '{name}.Partner.example' }],
    ['a domain that no address has', { from: 'email', pattern: '{name}@Partner.example' }],
  ])('with %s is refused', (_, change) => expect(ruleProblem({ ...agents, ...change }, false)).toBeDefined());

  it('is good', () => expect(ruleProblem(agents, false)).toBeUndefined());
  it('may be for one name', () =>
    expect(
      ruleProblem({ from: 'dns', pattern: 'a.partner.example', principal: 'device:a' }, false),
    ).toBeUndefined());
  it('may be for anybody where that is allowed', () =>
    expect(ruleProblem({ ...agents, principal: 'workload:{name}' }, true)).toBeUndefined());
});

describe('names', () => {
  it.each<[string, IdentityRule, Partial<CertificateNames>, string]>([
    ['a URI', agents, { uri: ['spiffe://partner.example/agent/seven'] }, 'workload:partner.seven'],
    [
      'an address',
      { from: 'email', pattern: '{name}@partner.example', principal: 'user:partner.{name}' },
      { email: ['bob@partner.example'] },
      'user:partner.bob',
    ],
    [
      'a host',
      { from: 'dns', pattern: '{name}.devices.example', principal: 'device:{name}.x' },
      { dns: ['seven.devices.example', 'other.example'] },
      'device:seven.x',
    ],
    [
      'the very name',
      { from: 'commonName', pattern: 'Batch job', principal: 'workload:batch' },
      { commonName: ['Batch job'] },
      'workload:batch',
    ],
  ])('%s becomes a principal', (_, rule, names, principal) =>
    expect(mapIdentity([rule], { ...none, ...names })).toEqual({ ok: true, principal }),
  );

  it.each([
    'spiffe://partner.example/agent/',
    'spiffe://partner.example/agent/a/b',
    'spiffe://partner.example/agent/..',
    'spiffe://partner.example/agent/A',
    'spiffe://partner.example/agents/a',
    'spiffe://other.example/agent/a',
    'x spiffe://partner.example/agent/a',
    'spiffe://partner.example/agent/$&',
    `spiffe://partner.example/agent/${'a'.repeat(65)}`,
    '',
  ])('%j becomes nobody', (uri) =>
    expect(mapIdentity([agents], { ...none, uri: [uri] })).toEqual({ ok: false, problem: 'no_rule' }),
  );

  it('that become two are nobody', () =>
    expect(
      mapIdentity([agents], {
        ...none,
        uri: ['spiffe://partner.example/agent/a', 'spiffe://partner.example/agent/b'],
      }),
    ).toEqual({ ok: false, problem: 'ambiguous' }));

  it('are for the first rule that fits', () => {
    const first: IdentityRule = {
      ...agents,
      pattern: 'spiffe://partner.example/agent/a',
      principal: 'user:a',
    };
    const uri = ['spiffe://partner.example/agent/a'];
    expect(mapIdentity([first, agents], { ...none, uri })).toEqual({ ok: true, principal: 'user:a' });
  });
});

describe('two rules', () => {
  const to = (principal: string): IdentityRule => ({ ...agents, principal });
  it.each([
    ['workload:partner.{name}', 'workload:partner.{name}'],
    ['workload:acme.{name}', 'workload:acme.eu.{name}'],
    ['workload:acme.{name}', 'workload:{name}.eu'],
    ['workload:acme.{name}', 'workload:acme.ci'],
    ['workload:acme.ci', 'workload:acme.{name}'],
  ])('for %s and %s may name one principal', (one, other) => expect(mayMeet(to(one), to(other))).toBe(true));
  it.each([
    ['workload:acme.{name}', 'workload:partner.{name}'],
    ['workload:acme.{name}', 'user:acme.{name}'],
    ['workload:{name}.acme', 'workload:{name}.partner'],
    ['workload:acme.{name}', 'workload:acme'],
    ['workload:acme.{name}', 'workload:acme.'],
    // Written out twice: meant.
    ['workload:ci', 'workload:ci'],
  ])('for %s and %s never do', (one, other) => expect(mayMeet(to(one), to(other))).toBe(false));
});
