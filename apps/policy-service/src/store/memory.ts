/** The store as a fake with the real one's contract: for tests, nothing survives the process. */
import type { InstanceReport } from '../domain/instance.ts';
import { applied, type PolicyState } from '../domain/policy-state.ts';
import type { Role } from '../domain/role.ts';
import type { LoggedChange, Publication } from '../app/ports.ts';
import type { PolicyStore } from './store.ts';

export function memoryStore(builtInRoles: readonly Role[]): PolicyStore {
  let state: PolicyState = {
    revision: 0n,
    contentDigest: '',
    roles: new Map(builtInRoles.map((role) => [role.name, role])),
    bindings: new Map(),
  };
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
        const { revision } = state;
        const logged = plan.changes.map((change, position) => ({ revision, position, atMs, actor, change }));
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
