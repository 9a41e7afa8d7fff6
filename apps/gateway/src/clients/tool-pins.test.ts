import type { ToolPin, ToolPinning } from '@sallyport/policy-engine';
import { describe, expect, test } from 'vitest';
import type { SeenTool } from '../door/guarded/ports.ts';
import { toolPins } from './tool-pins.ts';

const [A, B] = ['aa'.repeat(32), 'bb'.repeat(32)] as const;
const tool = (name: string, digest: string): SeenTool => ({ name, digest, definition: { name } });

function start(toolPinning: ToolPinning = 'first-use') {
  const bundle = new Map<string, ToolPin>();
  const told: string[] = [];
  const holder = {
    revision: 1,
    toolPinning,
    pinOf: (route: string, name: string) => bundle.get(`${route}/${name}`),
  };
  const pins = toolPins({
    holder,
    tell: (route, tools) => void told.push(...tools.map(({ name, digest }) => `${route}/${name} ${digest}`)),
  });
  const check = (digest: string, name = 'read', route = 'files') =>
    pins.check(route, [tool(name, digest)])[0];
  return { bundle, holder, pins, told, check };
}

describe('pinned in the bundle', () => {
  test.each<ToolPinning>(['first-use', 'approve'])('%s: that definition and no other', (mode) => {
    const { bundle, check, pins } = start(mode);
    bundle.set('files/read', { kind: 'pinned', digest: A });
    expect([check(A), check(B), check(A)]).toEqual(['pinned', 'changed', 'pinned']);
    expect(pins.current('files', 'read')).toBe(A);
  });

  test.each<ToolPinning>(['first-use', 'approve'])('%s: known and not approved waits', (mode) => {
    const { bundle, check, pins } = start(mode);
    bundle.set('files/read', { kind: 'unapproved' });
    expect([check(A), check(B)]).toEqual(['waiting', 'waiting']);
    expect(pins.current('files', 'read')).toBeUndefined();
  });

  test('a pin of one route says nothing about another', () => {
    const { bundle, check } = start('approve');
    bundle.set('files/read', { kind: 'pinned', digest: A });
    expect(check(A, 'read', 'other')).toBe('waiting');
  });
});

describe('not in the bundle yet', () => {
  test('first use: one definition passes, a second one does not, in the same list neither', () => {
    const { check, pins } = start();
    expect([check(A), check(A), check(B), check(A)]).toEqual(['pinned', 'pinned', 'changed', 'pinned']);
    expect(pins.current('files', 'read')).toBe(A);
    expect(pins.check('files', [tool('write', A), tool('write', B)])).toEqual(['pinned', 'changed']);
  });

  test('the bundle decides when it comes, also against what was first here', () => {
    const { bundle, check } = start();
    check(A);
    bundle.set('files/read', { kind: 'pinned', digest: B });
    expect([check(A), check(B)]).toEqual(['changed', 'pinned']);
    // A pin that is gone does not bring back what was first.
    bundle.clear();
    expect([check(B), check(A)]).toEqual(['pinned', 'changed']);
  });

  test('to be approved: nothing passes', () => {
    const { check, pins } = start('approve');
    expect([check(A), check(A)]).toEqual(['waiting', 'waiting']);
    expect(pins.current('files', 'read')).toBeUndefined();
  });

  test('without a bundle nothing passes, and nothing is remembered', () => {
    const { holder, check } = start();
    holder.revision = 0;
    expect(check(A)).toBe('waiting');
    holder.revision = 1;
    expect(check(B)).toBe('pinned');
  });

  test('names that cannot be pinned wait, and are not reported', () => {
    const { pins, told } = start();
    const names = ['', 'x'.repeat(256), 'a\nb', 'a\u001b[2J', 'a\u202eb', 'a\ud800'];
    const tools = [...names, 'read'].map((name) => tool(name, A));
    expect(pins.check('files', tools)).toEqual([...names.map(() => 'waiting'), 'pinned']);
    pins.observe('files', tools);
    expect(told).toEqual([`files/read ${A}`]);
  });

  test('a name of the prototype is a name', () => {
    const { check } = start();
    expect([check(A, '__proto__'), check(B, '__proto__'), check(A, 'constructor')]).toEqual([
      'pinned',
      'changed',
      'pinned',
    ]);
  });

  test('a server that makes up tools fills no memory', () => {
    const { check, bundle } = start();
    for (let i = 0; i < 20_000; i += 1) check(A, `t${i}`);
    expect([check(A, 'one-more'), check(A, 't7'), check(B, 't7')]).toEqual(['waiting', 'pinned', 'changed']);
    bundle.set('files/t7', { kind: 'pinned', digest: A });
    check(A, 't7');
    expect(check(A, 'one-more')).toBe('pinned');
  });

  test('nor takes the place of tools of another server', () => {
    const { check } = start();
    for (let i = 0; i < 30_000; i += 1) check(A, `t${i}`, 'evil');
    expect([check(A), check(B)]).toEqual(['pinned', 'changed']);
  });
});
