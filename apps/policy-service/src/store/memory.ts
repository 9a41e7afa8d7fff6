/** The store as a fake with the real one's contract: for tests, nothing survives the process. */
import type { InstanceReport } from '../domain/instance.ts';
import { applied, type PolicyState } from '../domain/policy-state.ts';
import type { Role } from '../domain/role.ts';
import type { LoggedChange, Publication } from '../app/ports.ts';
import { compareTools, statusOf, toolKey } from '../domain/tool.ts';
import { storedAfter, storedAfterSighting, type StoredTool } from '../domain/tool-record.ts';
import { actorName, isToolChange } from './rows.ts';
import type { PolicyStore } from './store.ts';

export function memoryStore(builtInRoles: readonly Role[]): PolicyStore {
  let state: PolicyState = {
    revision: 0n,
    contentDigest: '',
    roles: new Map(builtInRoles.map((role) => [role.name, role])),
    bindings: new Map(),
    roleRevisions: new Map(),
    tools: new Map(),
  };
  const tools = new Map<string, StoredTool>();
  let unrecorded: readonly LoggedChange[] = [];
  let publication: Publication | undefined;
  let announced = 0n;
  const reports = new Map<string, InstanceReport>();

  return {
    policy: {
      read: async () => state,
      async update(planner, { actor, atMs }) {
        const plan = planner(state);
        if (plan.kind === 'refused') return plan;
        if (plan.kind === 'unchanged') return { kind: 'unchanged', revision: state.revision };
        state = applied(state, plan.changes);
        const name = actorName(actor);
        for (const change of plan.changes) {
          if (isToolChange(change))
            tools.set(
              toolKey(change),
              storedAfter(tools.get(toolKey(change)), change, { actor: name, atMs }),
            );
        }
        const { revision } = state;
        const logged = plan.changes.map((change, position) => ({
          revision,
          position,
          atMs,
          actor,
          change: change.kind === 'tool-found' ? { ...change, definition: '' } : change,
        }));
        unrecorded = [...unrecorded, ...logged];
        return { kind: 'written', state };
      },
    },
    changes: {
      unrecorded: async (limit) => unrecorded.slice(0, limit),
      async markRecorded({ revision, position }) {
        unrecorded = unrecorded.filter((each) => each.revision !== revision || each.position !== position);
      },
    },
    publications: {
      latest: async () => publication,
      latestRevision: async () => publication?.revision ?? 0n,
      async save(next) {
        if (publication === undefined || publication.revision <= next.revision) publication = next;
      },
      announcedRevision: async () => announced,
      async markAnnounced(revision) {
        if (revision > announced) announced = revision;
      },
    },
    tools: {
      get: async (ref) => tools.get(toolKey(ref)),
      find: async (refs) =>
        refs.flatMap((ref) => {
          const found = tools.get(toolKey(ref));
          return found === undefined ? [] : [found.record];
        }),
      async list({ route, changedOnly, after, limit }) {
        return [...tools.values()]
          .map(({ record }) => record)
          .filter((record) => route === undefined || record.route === route)
          .filter((record) => !changedOnly || ['changed', 'waiting'].includes(statusOf(record)))
          .filter((record) => after === undefined || compareTools(record, after) > 0)
          .sort(compareTools)
          .slice(0, limit);
      },
      async sight(sightings, by) {
        const pins = new Map(state.tools);
        for (const sighting of sightings) {
          const key = toolKey(sighting);
          const before = tools.get(key);
          if (before === undefined) continue;
          const next = storedAfterSighting(before, sighting, by);
          tools.set(key, next);
          const { route, tool, pinned, candidate, isCandidateRejected } = next.record;
          pins.set(key, { route, tool, pinned, candidate, isCandidateRejected });
        }
        state = { ...state, tools: pins };
      },
      waiting: async () =>
        [...tools.values()].filter(({ record }) => ['changed', 'waiting'].includes(statusOf(record))).length,
    },
    reports: {
      put: async (report) => void reports.set(report.instance, report),
      list: async () => [...reports.values()],
      async prune(beforeMs) {
        for (const report of [...reports.values()]) {
          if (report.reportedAtMs < beforeMs) reports.delete(report.instance);
        }
      },
    },
  };
}
