import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { completeResult, instructionsOf, ttlOf, unionOf } from './merge.ts';
import { MAX_NAME_LENGTH, prefixed, publicNames, type Owned } from './names.ts';
import { couldComeFrom } from './uri-template.ts';

const owned = (...all: readonly string[]): readonly Owned[] =>
  all.map((one) => {
    const [route = '', name = ''] = one.split('/');
    return { route, name };
  });

describe('public names', () => {
  it.each<[string, readonly string[], readonly (string | undefined)[]]>([
    ['stay while they do not collide', ['a/x', 'b/y'], ['x', 'y']],
    ['are long for all that collide', ['a/x', 'b/x', 'c/y'], ['a__x', 'b__x', 'y']],
    [
      'that were made and another has are long as well',
      ['a/x', 'b/x', 'c/a__x'],
      ['a__x', 'b__x', 'c__a__x'],
    ],
    [
      'go to the first where nothing else is left',
      ['a/b__c', 'x/b__c', 'a__b/c', 'x/c'],
      ['a__b__c', 'x__b__c', undefined, 'x__c'],
    ],
    [
      'are not taken over before they are needed: what begins with the prefix of another',
      ['good/echo', 'evil/good__echo', 'evil/good__gone', 'evil/evil__x', 'good/a__b'],
      ['echo', 'evil__good__echo', 'evil__good__gone', 'evil__x', 'a__b'],
    ],
    [
      'are those of a member of every object, too',
      ['a/constructor', 'b/__proto__'],
      ['constructor', '__proto__'],
    ],
  ])('%s', (_, all, expected) => {
    expect(publicNames(owned(...all))).toStrictEqual(expected);
  });

  it('count routes of which nothing is known', () => {
    expect(publicNames(owned('evil/good__echo'), ['good', 'evil'])).toStrictEqual(['evil__good__echo']);
  });
  it('are found in time where each collides with the next', () => {
    const chain: Owned[] = [{ route: 'good', name: 'echo' }];
    for (let name = 'echo', at = 0; at < 10_000; at += 1) {
      chain.push({ route: 'evil', name });
      name = prefixed({ route: 'evil', name });
    }
    const start = performance.now();
    const names = publicNames(chain);
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(names[0]).toBe('good__echo');
  });

  const name = fc.stringMatching(/^[ab_]{1,5}$/);
  const entry = fc.record({ route: fc.stringMatching(/^[ab][ab_]{0,3}$/), name });
  it('are never given twice, whatever servers call their tools', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(entry, { selector: (one) => `${one.route}/${one.name}`, maxLength: 12 }),
        (all) => {
          const given = publicNames(all).filter((one) => one !== undefined);
          expect(new Set(given).size).toBe(given.length);
        },
      ),
    );
  });
  it('lead to no other server when one adds a name', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(entry, { selector: (one) => `${one.route}/${one.name}`, maxLength: 8 }),
        name,
        (all, added) => {
          const before = publicNames(all);
          const after = publicNames([...all, { route: 'zz', name: added }]);
          for (const [at, one] of before.entries()) {
            const now = after.indexOf(one);
            // A name keeps its owner or is nobody's; at the newcomer only if nobody had it.
            if (one !== undefined && now !== -1)
              expect(now === at || all[now]?.route !== undefined).toBe(true);
            if (one !== undefined) expect(after.at(-1) === one && one === added).toBe(false);
          }
        },
      ),
    );
  });
  it('are at most 128 long, and long ones differ', () => {
    const [one, other] = [
      prefixed({ route: 'r', name: `${'n'.repeat(128)}` }),
      prefixed({ route: 'r', name: `${'n'.repeat(127)}m` }),
    ];
    expect([one.length, other.length]).toStrictEqual([MAX_NAME_LENGTH, MAX_NAME_LENGTH]);
    expect(one).not.toBe(other);
  });
});

describe('templates', () => {
  it.each<[string, string, boolean]>([
    ['file:///{path}', 'file:///a', true],
    ['file:///{path}', 'file:///a/b', false],
    ['file:///{+path}', 'file:///a/b', true],
    ['file:///{path}', 'file:///', false],
    ['test://{a}/{b}', 'test://x/y', true],
    ['test://{a}/{b}', 'test://x', false],
    ['test://{a}/end', 'test://x/end', true],
    ['test://{a}/end', 'test://x/end/more', false],
    ['test://a', 'test://a', true],
    ['test://a', 'test://ab', false],
    ['test://a{?q}', 'test://a?q=1', true],
    ['test://a{?q}', 'test://a', true],
    ['test://a{?q}', 'test://ab', false],
    ['test://{', 'test://{', false],
    ['', '', true],
    ['', 'a', false],
  ])('%s and %s: %s', (template, uri, expected) => {
    expect(couldComeFrom(template, uri)).toBe(expected);
  });
  it('answers anything quickly', () => {
    const start = performance.now();
    expect(couldComeFrom('{a}x'.repeat(2_000), 'x'.repeat(8_000))).toBeTypeOf('boolean');
    expect(couldComeFrom('{+a}ab'.repeat(1_300), 'a'.repeat(8_000))).toBe(false);
    expect(performance.now() - start).toBeLessThan(500);
    fc.assert(fc.property(fc.string(), fc.string(), (template, uri) => void couldComeFrom(template, uri)));
  });
});

describe('merging', () => {
  it('is the union of what servers can', () => {
    expect(
      unionOf([
        { tools: {} },
        { tools: { listChanged: true }, prompts: { listChanged: false } },
        { prompts: { listChanged: true } },
      ]),
    ).toStrictEqual({
      tools: { listChanged: true },
      prompts: { listChanged: true },
    });
    expect(unionOf([])).toStrictEqual({});
  });
  it('says by whom instructions are', () => {
    expect(
      instructionsOf([
        { route: 'a', result: { instructions: ' x ' } },
        { route: 'b', result: { instructions: ' ' } },
      ]),
    ).toBe('a: x');
    expect(instructionsOf([{ route: 'a', result: {} }])).toBeUndefined();
  });
  it('keeps nothing longer than its own server says, for nobody else', () => {
    expect(ttlOf([{ ttlMs: 5 }, { ttlMs: 3 }])).toBe(3);
    expect(ttlOf([{ ttlMs: 5 }, {}])).toBe(0);
    expect(ttlOf([{ ttlMs: -5 }])).toBe(0);
    expect(ttlOf([])).toBe(0);
    expect(completeResult({}, [{ ttlMs: 5, cacheScope: 'public' }], { name: 'd' }, true)).toMatchObject({
      cacheScope: 'private',
      ttlMs: 5,
    });
  });
});
