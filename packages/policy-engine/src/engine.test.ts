import { afterEach, describe, expect, test, vi } from 'vitest';
import { ALLOW, DENY, fakeModule, LONG_INPUT, outputJson } from './testing/fake-module.ts';
import type { FakeModule } from './testing/fake-module.ts';
import { bind, bundleOf, contentOf, engineWith, requestOf, testClock } from '../test/support.ts';
import { freezePrincipal } from './decision.ts';
import type { DecisionRequest } from './decision.ts';
import { PolicyEngine } from './engine.ts';

const alice = requestOf('user:alice', 'message.send', 'echo');
/** Long enough that a fake module behaves as told for `long`. */
const later: DecisionRequest = { ...alice, session: LONG_INPUT };

describe('flip one fact', () => {
  test('the role: decision, revision and digest change', async () => {
    const engine = await engineWith();
    const before = engine.decide(alice);
    expect(before).toMatchObject({ decision: 'allow', policyRevision: 1, roles: ['sender'] });
    await engine.load(await bundleOf({ revision: 2, bindings: bind('user:alice', 'guest') }));
    const after = engine.decide(alice);
    expect(after).toMatchObject({
      decision: 'deny',
      policyRevision: 2,
      requires: ['role:sender'],
      cached: false,
    });
    expect(after.policyDigest).not.toBe(before.policyDigest);
  });

  test('the destination', async () => {
    const roles = {
      orders: { inherits: [], permissions: [{ action: 'message.send', resource: 'orders.*' }] },
    };
    const engine = await engineWith({ roles, bindings: bind('user:alice', 'orders') });
    expect(engine.decide(requestOf('user:alice', 'message.send', 'orders.new')).decision).toBe('allow');
    expect(engine.decide(requestOf('user:alice', 'message.send', 'billing.new')).decision).toBe('deny');
  });

  test.each([
    ['the action', requestOf('user:alice', 'policy.write', 'echo')],
    ['the principal', requestOf('user:guest', 'message.send', 'echo')],
    ['the tenant of the principal', { ...alice, principal: { ...alice.principal, tenant: 'other' } }],
    ['the tenant of the resource', { ...alice, resource: { ...alice.resource, tenant: 'other' } }],
  ])('%s', async (_name, flipped) => {
    const engine = await engineWith();
    for (let round = 0; round < 2; round += 1) {
      expect(engine.decide(alice).decision).toBe('allow');
      expect(engine.decide(flipped).decision).toBe('deny');
    }
  });

  test('a permission of the role: revision and decision change', async () => {
    const engine = await engineWith();
    const { sender: _sender, ...roles } = contentOf().roles;
    await engine.load(await bundleOf({ revision: 2, roles }));
    expect(engine.decide(alice)).toMatchObject({
      decision: 'deny',
      reasons: ['no_roles'],
      policyRevision: 2,
    });
  });
});

describe('denials by the engine itself', () => {
  test('no bundle', () => {
    const engine = new PolicyEngine({ monotonicMs: () => 0 });
    expect(engine.decide(alice)).toMatchObject({
      decision: 'deny',
      reasons: ['policy_missing'],
      policyRevision: 0,
      policyDigest: '',
    });
  });

  const long = 'x'.repeat(1025);
  let deep: Record<string, unknown> = {};
  for (let level = 0; level < 10; level += 1) deep = { deep };
  const cyclic: Record<string, unknown> = {};
  cyclic['self'] = cyclic;
  const hostile: Record<string, unknown> = {
    'nothing at all': undefined,
    'a string': 'user:alice',
    'no principal': { ...alice, principal: undefined },
    'a null principal': { ...alice, principal: null },
    'no resource': { ...alice, resource: undefined },
    'an action that is no string': { ...alice, action: 7 },
    'an action that is too long': { ...alice, action: long },
    'an id that is too long': { ...alice, principal: { ...alice.principal, id: long } },
    'a resource name that is a list': { ...alice, resource: { kind: 'destination', name: ['echo'] } },
    'assurance that is no number': { ...alice, principal: { ...alice.principal, assurance: Number.NaN } },
    'factors that are no list': { ...alice, principal: { ...alice.principal, factors: 'totp' } },
    'too many factors': { ...alice, principal: { ...alice.principal, factors: Array(33).fill('totp') } },
    'a factor that is no string': { ...alice, principal: { ...alice.principal, factors: [{}] } },
    'an environment that is too deep': { ...alice, environment: deep },
    'an environment that contains itself': { ...alice, environment: cyclic },
    'an environment that is too large': { ...alice, environment: { text: 'x'.repeat(40_000) } },
    'an environment with a function': { ...alice, environment: { f: () => 1 } },
    'an environment with a date': { ...alice, environment: { at: new Date(0) } },
    'an environment with infinity': { ...alice, environment: { n: Number.POSITIVE_INFINITY } },
    'an environment with undefined': { ...alice, environment: { n: undefined } },
    'a session that is a list': { ...alice, session: [] },
    'attributes that throw': {
      ...alice,
      resource: {
        ...alice.resource,
        get attributes() {
          throw new Error('no');
        },
      },
    },
  };
  test.each(Object.entries(hostile))('%s', async (_name, request) => {
    const engine = await engineWith({ bindings: bind('user:alice', 'sender') });
    const answer = engine.decide(request as DecisionRequest);
    expect(answer).toMatchObject({ decision: 'deny', reasons: ['input_invalid'], policyRevision: 1 });
    expect(engine.counters.evaluations).toBe(0);
  });

  const failing: Record<string, { long: FakeModule['short']; reason: string }> = {
    'a trap': { long: { kind: 'trap' }, reason: 'policy_error' },
    'an abort': { long: { kind: 'abort' }, reason: 'policy_error' },
    'a call out of the module': { long: { kind: 'builtin' }, reason: 'policy_error' },
    'an answer that is no JSON': { long: { kind: 'answer', json: '[{' }, reason: 'policy_error' },
    'an undefined result': { long: { kind: 'answer', json: '[]' }, reason: 'policy_undefined' },
    'two results': {
      long: { kind: 'answer', json: '[{"result":1},{"result":2}]' },
      reason: 'policy_undefined',
    },
    'a result that is no object': {
      long: { kind: 'answer', json: '[{"result":true}]' },
      reason: 'policy_output_invalid',
    },
    'allow that is no boolean': {
      long: { kind: 'answer', json: outputJson({ allow: 'true' }) },
      reason: 'policy_output_invalid',
    },
    'a lifetime below zero': {
      long: { kind: 'answer', json: outputJson({ allow: true, cache_ttl_seconds: -1 }) },
      reason: 'policy_output_invalid',
    },
    'a member too many': {
      long: { kind: 'answer', json: outputJson({ allow: true, also: 1 }) },
      reason: 'policy_output_invalid',
    },
    'reasons that are no strings': {
      long: { kind: 'answer', json: outputJson({ allow: true, reasons: [1] }) },
      reason: 'policy_output_invalid',
    },
    'an obligation without kind': {
      long: { kind: 'answer', json: outputJson({ allow: true, obligations: [{}] }) },
      reason: 'policy_output_invalid',
    },
    'an unknown obligation': {
      long: { kind: 'answer', json: outputJson({ allow: true, obligations: [{ kind: 'dance' }] }) },
      reason: 'obligation_unknown',
    },
    'an unknown obligation beside a known one': {
      long: {
        kind: 'answer',
        json: outputJson({ allow: true, obligations: [{ kind: 'sing' }, { kind: 'dance' }] }),
      },
      reason: 'obligation_unknown',
    },
  };
  test.each(Object.entries(failing))(
    '%s; the next question is answered',
    async (_name, { long: bad, reason }) => {
      const options = { knownObligations: new Set(['sing']) };
      const engine = await engineWith({ wasm: fakeModule({ short: DENY, long: bad }) }, options);
      expect(engine.decide(later)).toMatchObject({ decision: 'deny', reasons: [reason], policyRevision: 1 });
      expect(engine.decide(alice)).toMatchObject({ decision: 'deny', reasons: ['fake'] });
    },
  );

  test('a failure is not remembered', async () => {
    const engine = await engineWith({ wasm: fakeModule({ short: DENY, long: { kind: 'trap' } }) });
    engine.decide(later);
    expect(engine.decide(later).cached).toBe(false);
    expect(engine.counters).toEqual({ decisions: 2, evaluations: 2, failures: 2 });
  });
});

test('a known obligation comes with its allow, frozen', async () => {
  const json = outputJson({ allow: true, obligations: [{ kind: 'sing', song: { bars: 12 } }] });
  const wasm = fakeModule({ short: DENY, long: { kind: 'answer', json } });
  const engine = await engineWith({ wasm }, { knownObligations: new Set(['sing']) });
  const answer = engine.decide(later);
  expect(answer).toMatchObject({ decision: 'allow', obligations: [{ kind: 'sing', song: { bars: 12 } }] });
  expect(Object.isFrozen(answer.obligations[0]?.['song'])).toBe(true);
});

describe('loading', () => {
  const unfit: Record<string, FakeModule> = {
    'allows a stranger': { short: ALLOW },
    'answers nothing': { short: { kind: 'answer', json: '[]' } },
    'answers out of shape': { short: { kind: 'answer', json: '[{"result":false}]' } },
    traps: { short: { kind: 'trap' } },
    'has another ABI': { short: DENY, abiVersion: 2 },
    'has an ABI too old': { short: DENY, abiMinorVersion: 1 },
    'has another entrypoint': { short: DENY, entrypoint: 'other/decision' },
    'needs builtins of the host': { short: DENY, builtins: '{"http.send":0}' },
    'imports from elsewhere': { short: DENY, importModule: 'wasi_snapshot_preview1' },
  };
  test.each(Object.entries(unfit))(
    'a module that %s is refused and the one before stays',
    async (_name, fake) => {
      const engine = await engineWith();
      const result = await engine.load(await bundleOf({ revision: 2, wasm: fakeModule(fake) }));
      expect(result.ok).toBe(false);
      expect(engine.decide(alice)).toMatchObject({ decision: 'allow', policyRevision: 1 });
    },
  );

  test('bytes that are no module are refused', async () => {
    const engine = new PolicyEngine({ monotonicMs: () => 0 });
    expect((await engine.load(await bundleOf({ wasm: new Uint8Array(100) }))).ok).toBe(false);
    expect(engine.current).toBeUndefined();
  });

  test('a module that knows no conditions does not run on roles that have some', async () => {
    // Longer than what nobody is asked with, shorter than a call with arguments: such a one is allowed.
    const wasm = fakeModule({ short: DENY, long: ALLOW, shortInputBytes: 260 });
    const plain = { caller: { inherits: [], permissions: [{ action: 'x', resource: 'y' }] } };
    const when = [{ argument: '/a', equals: 'x' }];
    const conditional = { caller: { inherits: [], permissions: [{ action: 'x', resource: 'y', when }] } };
    const engine = new PolicyEngine({ monotonicMs: () => 0 });
    expect(await engine.load(await bundleOf({ wasm, roles: plain, bindings: [] }))).toEqual({ ok: true });
    expect(await engine.load(await bundleOf({ wasm, roles: conditional, bindings: [] }))).toEqual({
      ok: false,
      detail: 'self-test: the policy does not deny a call that does not meet a condition',
    });
  });

  describe('with questions that nobody may be allowed', () => {
    const nobody = { id: 'user:Nobody', tenant: 'default', method: 'certificate' };
    const open = { principal: nobody, action: 'session.open', resource: { kind: 'door', name: 'channel' } };

    test('what denies them is taken', async () => {
      const engine = new PolicyEngine({ monotonicMs: () => 0, mustDeny: { 'nobody at the door': open } });
      expect(await engine.load(await bundleOf())).toEqual({ ok: true });
    });

    test('what allows one is refused by its name, and the one before stays', async () => {
      const wasm = fakeModule({ short: DENY, long: ALLOW });
      const engine = await engineWith(
        {},
        { mustDeny: { first: open, second: { ...open, session: LONG_INPUT } } },
      );
      expect(await engine.load(await bundleOf({ revision: 2, wasm }))).toEqual({
        ...{ ok: false, detail: 'self-test: the policy allows second' },
      });
      expect(engine.current?.revision).toBe(1);
    });

    test('what answers one with nothing is refused', async () => {
      const wasm = fakeModule({ short: DENY, long: { kind: 'trap' } });
      const engine = await engineWith({}, { mustDeny: { first: { ...open, session: LONG_INPUT } } });
      expect(await engine.load(await bundleOf({ revision: 2, wasm }))).toMatchObject({
        detail: 'self-test: policy_error on first',
      });
    });

    test('one that cannot be asked proves nothing', async () => {
      const engine = new PolicyEngine({
        monotonicMs: () => 0,
        mustDeny: { first: { ...open, action: 'x'.repeat(1025) } },
      });
      expect(await engine.load(await bundleOf())).toMatchObject({
        detail: 'self-test: input_invalid on first',
      });
    });
  });

  test('the fake is fit when it behaves', async () => {
    const engine = await engineWith({ wasm: fakeModule({ short: DENY, long: ALLOW }) });
    expect(engine.decide(later).decision).toBe('allow');
  });

  test('until the new one is proven the old one decides', async () => {
    const engine = await engineWith();
    const loading = engine.load(await bundleOf({ revision: 2, bindings: [] }));
    expect(engine.decide(alice)).toMatchObject({ decision: 'allow', policyRevision: 1 });
    await loading;
    expect(engine.decide(alice)).toMatchObject({ decision: 'deny', policyRevision: 2 });
    expect(engine.current?.revision).toBe(2);
  });
});

describe('the cache', () => {
  test('answers the second time without evaluating, and says so', async () => {
    const engine = await engineWith();
    const [first, second] = [engine.decide(alice), engine.decide(alice)];
    expect(first.cached).toBe(false);
    expect(second).toEqual({ ...first, cached: true });
    expect(engine.counters).toEqual({ decisions: 2, evaluations: 1, failures: 0 });
    expect(engine.decide(alice)).toBe(second);
    expect(Object.isFrozen(second)).toBe(true);
  });

  test('keeps an answer as long as the policy says, to the millisecond', async () => {
    const clock = testClock();
    const engine = await engineWith({}, clock);
    engine.decide(alice);
    clock.nowMs += 60_000 - 1;
    expect(engine.decide(alice).cached).toBe(true);
    clock.nowMs += 1;
    expect(engine.decide(alice).cached).toBe(false);
    expect(engine.decide(alice).cached).toBe(true);
  });

  test('keeps no answer longer than the engine says', async () => {
    const clock = testClock();
    const engine = await engineWith({}, { ...clock, monotonicMs: clock.monotonicMs, maxCacheTtlSeconds: 1 });
    engine.decide(alice);
    clock.nowMs += 1000;
    expect(engine.decide(alice).cached).toBe(false);
  });

  test('keeps nothing of lifetime 0', async () => {
    const json = outputJson({ cache_ttl_seconds: 0 });
    const engine = await engineWith({ wasm: fakeModule({ short: { kind: 'answer', json } }) });
    engine.decide(alice);
    expect(engine.decide(alice).cached).toBe(false);
  });

  test('is bounded', async () => {
    const engine = await engineWith({}, { cacheEntries: 2 });
    for (const name of ['a', 'b', 'c', 'a']) engine.decide(requestOf('user:alice', 'message.send', name));
    expect(engine.counters.evaluations).toBe(4);
  });

  test('does not outlive the bundle', async () => {
    const engine = await engineWith();
    engine.decide(alice);
    await engine.load(await bundleOf({ revision: 2 }));
    expect(engine.decide(alice)).toMatchObject({ cached: false, policyRevision: 2 });
  });

  test('sees a change of a principal that is not frozen', async () => {
    const principal = { ...alice.principal };
    const engine = await engineWith();
    expect(engine.decide({ ...alice, principal }).decision).toBe('allow');
    principal.id = 'user:guest';
    expect(engine.decide({ ...alice, principal }).decision).toBe('deny');
  });

  test('shares answers between equal principals, frozen or not', async () => {
    const engine = await engineWith();
    engine.decide(alice);
    const frozen = freezePrincipal({ ...alice.principal });
    expect(engine.decide({ ...alice, principal: frozen }).cached).toBe(true);
    expect(engine.decide({ ...alice, principal: frozen }).cached).toBe(true);
  });
});

describe('the instance', () => {
  test('is replaced once memory grew too far, and answers on', async () => {
    const grow = { kind: 'grow', pages: 16, json: outputJson({ cache_ttl_seconds: 0 }) } as const;
    const limits = { initialBytes: 2 ** 20, maxBytes: 2 ** 23, growthBytes: 2 ** 21 };
    const engine = await engineWith(
      { wasm: fakeModule({ short: DENY, long: grow }) },
      { memoryLimits: limits },
    );
    // Seven would fill the 8 MiB if the instance were kept.
    for (let round = 0; round < 40; round += 1) expect(engine.decide(later).reasons).toEqual(['fake']);
    expect(engine.counters.failures).toBe(0);
  });

  test('cannot take more memory than allowed', async () => {
    const engine = await engineWith(
      {},
      { memoryLimits: { initialBytes: 5 * 2 ** 16, maxBytes: 5 * 2 ** 16, growthBytes: 0 } },
    );
    const environment = { text: Array.from({ length: 5000 }, (_, index) => index) };
    const answer = engine.decide({ ...alice, environment });
    expect(answer).toMatchObject({ decision: 'deny', reasons: ['policy_error'] });
    expect(engine.decide(alice).decision).toBe('allow');
  });
});

describe('the console', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  test('stays silent, whatever a policy prints', async () => {
    const spies = (['log', 'error', 'warn', 'info'] as const).map((name) => vi.spyOn(console, name));
    const wasm = fakeModule({ short: DENY, long: { kind: 'print', json: outputJson() } });
    const engine = await engineWith({ wasm });
    expect(engine.decide(later).reasons).toEqual(['fake']);
    for (const spy of spies) expect(spy).not.toHaveBeenCalled();
  });
});
