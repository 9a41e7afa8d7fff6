import { limits } from './limits.ts';
import { refused, type Change, type Plan, type PolicyState } from './policy-state.ts';
import { quoted } from './result.ts';
import { toolKey, type Sighting, type ToolDigest, type ToolPinning, type ToolRef } from './tool.ts';

/**
 * Tools that were never seen before: each is pinned as it is, or waits, as the deployment says. Those beyond the limits
 * are left out: a server that makes up tools must not keep the others from being pinned.
 */
export function planFoundTools(
  state: PolicyState,
  mode: ToolPinning,
  sightings: readonly Sighting[],
  seenBy: string,
): Plan {
  const known = new Set(state.tools.keys());
  const perRoute = new Map<string, number>();
  for (const { route } of state.tools.values()) perRoute.set(route, (perRoute.get(route) ?? 0) + 1);
  const changes: Change[] = [];
  for (const sighting of sightings) {
    const { route } = sighting;
    const ofRoute = perRoute.get(route) ?? 0;
    const isFull = known.size >= limits.tools || ofRoute >= limits.toolsPerRoute;
    if (isFull || known.has(toolKey(sighting))) continue;
    known.add(toolKey(sighting));
    perRoute.set(route, ofRoute + 1);
    changes.push({ kind: 'tool-found', ...sighting, isPinned: mode === 'first-use', seenBy });
  }
  const [first, ...rest] = changes;
  return first === undefined ? { kind: 'unchanged' } : { kind: 'change', changes: [first, ...rest] };
}

/** Pins the definition that was reviewed, and no other that came since. */
export function planApproveTool(state: PolicyState, ref: ToolRef, digest: ToolDigest): Plan {
  const pin = state.tools.get(toolKey(ref));
  if (pin === undefined) return unknown(ref);
  if (pin.pinned === digest) return { kind: 'unchanged' };
  if (pin.candidate !== digest) return outdated(ref, pin.candidate);
  const { route, tool } = ref;
  return {
    kind: 'change',
    changes: [{ kind: 'tool-approved', route, tool, before: pin.pinned, after: digest }],
  };
}

/** Rejects the candidate, or takes the approval from the definition in use. */
export function planRejectTool(state: PolicyState, ref: ToolRef, digest: ToolDigest): Plan {
  const pin = state.tools.get(toolKey(ref));
  if (pin === undefined) return unknown(ref);
  const { route, tool } = ref;
  if (pin.pinned === digest) {
    return { kind: 'change', changes: [{ kind: 'tool-rejected', route, tool, digest, wasPinned: true }] };
  }
  if (pin.candidate !== digest) return outdated(ref, pin.candidate);
  if (pin.isCandidateRejected) return { kind: 'unchanged' };
  return { kind: 'change', changes: [{ kind: 'tool-rejected', route, tool, digest, wasPinned: false }] };
}

const unknown = ({ route, tool }: ToolRef): Plan =>
  refused('unknown', 'tool', `No gateway has seen a tool ${quoted(tool)} at the route "${route}".`);

const outdated = ({ route, tool }: ToolRef, candidate: string): Plan =>
  refused(
    'conflict',
    'digest',
    candidate === ''
      ? `Nothing waits for approval at tool ${quoted(tool)} of the route "${route}".`
      : `Tool ${quoted(tool)} of the route "${route}" has another definition now (digest ${candidate}): review that one.`,
  );
