import { expect, test } from 'vitest';
import { stateWith, valid } from '../../test/support.ts';
import { limits } from './limits.ts';
import { planFoundTools } from './plan-tools.ts';
import { applied } from './policy-state.ts';
import { parseToolDigest, parseToolRef, type Sighting } from './tool.ts';

const sighting = (route: string, tool: string): Sighting => ({
  ...valid(parseToolRef({ route, tool })),
  digest: valid(parseToolDigest('a'.repeat(64), 'digest')),
  definition: '',
});

test('a server that makes up tools leaves room for the others', () => {
  let state = stateWith([]);
  const many = Array.from({ length: limits.toolsPerRoute + 5 }, (_, i) => sighting('flood', `t${i}`));
  for (const sightings of [many, [sighting('flood', 'one-more')], [sighting('files', 'read')]]) {
    const plan = planFoundTools(state, 'first-use', sightings, 'g');
    if (plan.kind === 'change') state = applied(state, plan.changes);
  }
  expect(state.tools.size).toBe(limits.toolsPerRoute + 1);
  expect(state.tools.has('files/read')).toBe(true);
});

test('all together have a limit', () => {
  let state = stateWith([]);
  for (let route = 0; route < 7; route += 1) {
    const many = Array.from({ length: limits.toolsPerRoute }, (_, i) => sighting(`r${route}`, `t${i}`));
    const plan = planFoundTools(state, 'approve', many, 'g');
    if (plan.kind === 'change') state = applied(state, plan.changes);
  }
  expect(state.tools.size).toBe(limits.tools);
});

test('of two definitions of a new tool in one report, the first is pinned', () => {
  const other = { ...sighting('files', 'read'), digest: valid(parseToolDigest('b'.repeat(64), 'digest')) };
  const plan = planFoundTools(stateWith([]), 'first-use', [sighting('files', 'read'), other], 'g');
  expect(
    plan.kind === 'change' && plan.changes.map((change) => 'digest' in change && change.digest[0]),
  ).toEqual(['a']);
});
