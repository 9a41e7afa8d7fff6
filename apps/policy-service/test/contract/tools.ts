/** What every store must do with tools. Run on each implementation by `store.test.ts`. */
import { describe, expect, test } from 'vitest';
import { planApproveTool, planFoundTools, planRejectTool } from '../../src/domain/plan-tools.ts';
import type { Planner } from '../../src/domain/policy-state.ts';
import {
  parseToolDigest,
  parseToolRef,
  statusOf,
  toolKey,
  type Sighting,
  type ToolPinning,
} from '../../src/domain/tool.ts';
import type { PolicyStore } from '../../src/store/store.ts';
import { admin, valid } from '../support.ts';

const by = { actor: admin, atMs: 1_700_000_000_123 };
const digest = (fill: string) => valid(parseToolDigest(fill.repeat(64), 'digest'));
const ref = (route: string, tool: string) => valid(parseToolRef({ route, tool }));
const sighting = (route: string, tool: string, fill = 'a'): Sighting => ({
  ...ref(route, tool),
  digest: digest(fill),
  definition: JSON.stringify({ name: tool, description: fill }),
});
const find =
  (mode: ToolPinning, ...sightings: Sighting[]): Planner =>
  (state) =>
    planFoundTools(state, mode, sightings, 'gateway-0#1');
const again = { instance: 'gateway-1#2', atMs: by.atMs + 60_000 };
const read = ref('files', 'read');

export function toolsContract(name: string, fresh: () => Promise<PolicyStore>): void {
  describe(`tools: ${name}`, () => {
    test('what is found is pinned, with its definition, and is in the state', async () => {
      const store = await fresh();
      await store.policy.update(
        find('first-use', sighting('files', 'read'), sighting('files', 'größe "q" \\')),
        by,
      );
      expect(await store.tools.get(read)).toEqual({
        record: {
          ...read,
          pinned: digest('a'),
          candidate: '',
          isCandidateRejected: false,
          firstSeenMs: by.atMs,
          lastSeenMs: by.atMs,
          seenBy: 'gateway-0#1',
          candidateSeenMs: undefined,
          approvedBy: 'first-use',
          approvedAtMs: by.atMs,
        },
        definitions: { pinned: JSON.stringify({ name: 'read', description: 'a' }), candidate: '' },
      });
      const state = await store.policy.read();
      expect([...state.tools.keys()].sort()).toEqual(['files/größe "q" \\', 'files/read']);
      expect(await store.tools.waiting()).toBe(0);
      expect(await store.tools.get(ref('files', 'other'))).toBeUndefined();
    });

    test('history has the digest and not the definition', async () => {
      const store = await fresh();
      await store.policy.update(find('first-use', sighting('files', 'read')), by);
      const [logged] = await store.changes.unrecorded(9);
      expect(logged?.change).toEqual({
        kind: 'tool-found',
        ...sighting('files', 'read'),
        definition: '',
        isPinned: true,
        seenBy: 'gateway-0#1',
      });
    });

    test('another definition waits, beside the pin, without a revision', async () => {
      const store = await fresh();
      await store.policy.update(find('first-use', sighting('files', 'read')), by);
      await store.tools.sight([sighting('files', 'read', 'b'), sighting('files', 'unknown')], again);
      const stored = await store.tools.get(read);
      expect(stored?.record).toMatchObject({
        pinned: digest('a'),
        candidate: digest('b'),
        lastSeenMs: again.atMs,
        seenBy: again.instance,
        candidateSeenMs: again.atMs,
      });
      expect(stored?.definitions.candidate).toContain('"b"');
      expect(await store.tools.waiting()).toBe(1);
      const state = await store.policy.read();
      expect(state.revision).toBe(1n);
      expect(state.tools.get(toolKey(read))).toMatchObject({ pinned: digest('a'), candidate: digest('b') });
      expect(await store.tools.get(ref('files', 'unknown'))).toBeUndefined();
    });

    test('approval makes the candidate the pin, with its definition, by whom and when', async () => {
      const store = await fresh();
      await store.policy.update(find('approve', sighting('files', 'read')), by);
      expect(await store.tools.waiting()).toBe(1);
      const written = await store.policy.update((s) => planApproveTool(s, read, digest('a')), by);
      expect(written).toMatchObject({ kind: 'written', state: { revision: 2n } });
      const stored = await store.tools.get(read);
      expect(stored?.record).toMatchObject({ pinned: digest('a'), candidate: '', approvedBy: 'user:admin' });
      expect(stored?.definitions).toEqual({ pinned: sighting('files', 'read').definition, candidate: '' });
      expect(await store.tools.waiting()).toBe(0);
    });

    test('what was seen since is not approved', async () => {
      const store = await fresh();
      await store.policy.update(find('approve', sighting('files', 'read')), by);
      await store.tools.sight([sighting('files', 'read', 'b')], again);
      const refused = await store.policy.update((s) => planApproveTool(s, read, digest('a')), by);
      expect(refused).toMatchObject({ kind: 'refused', refusal: { kind: 'conflict' } });
    });

    test('rejection of a candidate keeps the pin, that of the pin leaves none', async () => {
      const store = await fresh();
      await store.policy.update(find('first-use', sighting('files', 'read')), by);
      await store.tools.sight([sighting('files', 'read', 'b')], again);
      await store.policy.update((s) => planRejectTool(s, read, digest('b')), by);
      expect((await store.tools.get(read))?.record).toMatchObject({
        pinned: digest('a'),
        isCandidateRejected: true,
      });
      // Seen again, it stays rejected.
      await store.tools.sight([sighting('files', 'read', 'b')], again);
      expect(await store.tools.waiting()).toBe(0);
      await store.policy.update((s) => planRejectTool(s, read, digest('a')), by);
      const stored = await store.tools.get(read);
      expect(stored?.record).toMatchObject({ pinned: '', candidate: digest('b'), approvedBy: '' });
      expect(stored && statusOf(stored.record)).toBe('rejected');
    });

    test('a rejected pin can be approved again', async () => {
      const store = await fresh();
      await store.policy.update(find('first-use', sighting('files', 'read')), by);
      await store.policy.update((s) => planRejectTool(s, read, digest('a')), by);
      expect(await store.tools.waiting()).toBe(0);
      await store.policy.update((s) => planApproveTool(s, read, digest('a')), by);
      const stored = await store.tools.get(read);
      expect(stored?.record).toMatchObject({ pinned: digest('a'), candidate: '' });
      expect(stored?.definitions.pinned).toBe(sighting('files', 'read').definition);
    });

    test('lists by route and tool, in order, in pages, those that wait', async () => {
      const store = await fresh();
      const all = [
        sighting('b', 'y'),
        sighting('a', 'é'),
        sighting('a', 'Z'),
        sighting('a', 'a'),
        sighting('b', 'x'),
      ];
      await store.policy.update(find('first-use', ...all), by);
      await store.tools.sight([sighting('b', 'x', 'b'), sighting('a', 'a')], again);
      const list = async (filter: Partial<Parameters<PolicyStore['tools']['list']>[0]>) => {
        const asked = { route: undefined, changedOnly: false, after: undefined, limit: 9, ...filter };
        return (await store.tools.list(asked)).map(toolKey);
      };
      expect(await list({})).toEqual(['a/Z', 'a/a', 'a/é', 'b/x', 'b/y']);
      expect(await list({ route: ref('b', 'x').route })).toEqual(['b/x', 'b/y']);
      expect(await list({ changedOnly: true })).toEqual(['b/x']);
      expect(await list({ after: { route: 'a', tool: 'a' }, limit: 2 })).toEqual(['a/é', 'b/x']);
      expect((await store.tools.find([ref('b', 'x'), ref('b', 'none')])).map(toolKey)).toEqual(['b/x']);
      expect(await store.tools.find([])).toEqual([]);
    });
  });
}
