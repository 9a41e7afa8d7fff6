/**
 * The valid_policy_graph of RFC 9618, which replaces the tree of RFC 5280: at each depth at most one node for a policy,
 * with as many parents as expect it. It grows by what the certificates themselves list, never by products of it, and each
 * node and edge is counted against `policyNodes`.
 */
import type { Certificate, Oid } from '../certificate/types.ts';
import type { Work } from '../work.ts';

/** RFC 5280 section 4.2.1.4. */
export const ANY_POLICY: Oid = '2.5.29.32.0';

/** RFC 9618 section 5.2 (a). Qualifiers are not kept: returning them is not recommended (section 5.5). */
interface PolicyNode {
  /** valid_policy */
  readonly policy: Oid;
  /** expected_policy_set */
  expected: readonly Oid[];
  readonly parents: readonly PolicyNode[];
  childCount: number;
}

/** Nodes of one depth by their valid_policy. */
type Depth = Map<Oid, PolicyNode>;

/** One path's graph; `undefined` in its place is NULL. */
export interface PolicyGraph {
  readonly depths: Depth[];
  readonly work: Work;
}

/** RFC 9618 section 5.2 (a): one node, anyPolicy, at depth zero. */
export function initialGraph(work: Work): PolicyGraph {
  const root: PolicyNode = { policy: ANY_POLICY, expected: [ANY_POLICY], parents: [], childCount: 0 };
  return { depths: [new Map([[ANY_POLICY, root]])], work };
}

/**
 * RFC 9618 section 5.3 (d): grows the graph by the depth of a certificate. `acceptsAnyPolicy` is the condition of
 * (d)(2). Undefined: the graph is NULL now.
 */
export function addCertificate(
  graph: PolicyGraph,
  policies: NonNullable<Certificate['certificatePolicies']>,
  acceptsAnyPolicy: boolean,
): PolicyGraph | undefined {
  const above = deepest(graph);
  const below: Depth = new Map();
  const parentsOf = expectations(above);
  const anyAbove = above.get(ANY_POLICY);
  let hasAny = false;
  for (const { oid } of policies) {
    if (oid === ANY_POLICY) hasAny = true;
    else {
      const parents = parentsOf.get(oid) ?? (anyAbove && [anyAbove]); // (d)(1)(i), or else (d)(1)(ii)
      if (parents !== undefined) addNode(graph, below, oid, parents);
    }
  }
  if (hasAny && acceptsAnyPolicy) for (const [oid, parents] of parentsOf) addNode(graph, below, oid, parents); // (d)(2)
  graph.depths.push(below);
  return prune(graph); // (d)(3)
}

/** RFC 9618 section 5.4 (b)(1): the subjectDomainPolicies of each issuerDomainPolicy are what is expected below. */
export function mapPolicies(
  graph: PolicyGraph,
  mappings: NonNullable<Certificate['policyMappings']>,
): PolicyGraph {
  const nodes = deepest(graph);
  for (const [policy, expected] of groupByIssuerDomain(mappings)) {
    const node = nodes.get(policy);
    const anyNode = nodes.get(ANY_POLICY);
    if (node !== undefined) node.expected = expected;
    else if (anyNode !== undefined) addNode(graph, nodes, policy, anyNode.parents, expected);
  }
  return graph;
}

/** RFC 9618 section 5.4 (b)(2): where mapping is inhibited, a policy that would be mapped is no longer valid. */
export function deleteMapped(
  graph: PolicyGraph,
  mappings: NonNullable<Certificate['policyMappings']>,
): PolicyGraph | undefined {
  const nodes = deepest(graph);
  for (const { issuerDomain } of mappings) {
    const node = nodes.get(issuerDomain);
    if (node !== undefined) deleteNode(nodes, node);
  }
  return prune(graph);
}

/** RFC 9618 section 5.5 (g)(1)-(4): authority_constrained_policy_set. A set with anyPolicy in it is `any`. */
export function authorityConstrained(graph: PolicyGraph | undefined): 'any' | Oid[] {
  if (graph === undefined) return []; // (1)
  if (deepest(graph).has(ANY_POLICY)) return 'any'; // (3)
  const policies = new Set<Oid>();
  for (const nodes of graph.depths)
    for (const { policy, parents } of nodes.values())
      if (policy !== ANY_POLICY && parents.length === 1 && parents[0]?.policy === ANY_POLICY)
        policies.add(policy); // (2)
  return [...policies];
}

/** RFC 9618 section 5.5 (g)(5): user_constrained_policy_set. */
export function userConstrained(
  authority: 'any' | readonly Oid[],
  initial: 'any' | readonly Oid[],
): 'any' | readonly Oid[] {
  if (initial === 'any') return authority;
  if (authority === 'any') return initial; // (5)(ii)
  const allowed = new Set(initial);
  return authority.filter((policy) => allowed.has(policy)); // (5)(i)
}

function deepest(graph: PolicyGraph): Depth {
  return graph.depths.at(-1) ?? new Map<Oid, PolicyNode>();
}

/** Each policy that some node of a depth expects, with the nodes that do. */
function expectations(nodes: Depth): Map<Oid, PolicyNode[]> {
  const parentsOf = new Map<Oid, PolicyNode[]>();
  for (const node of nodes.values())
    for (const policy of node.expected) {
      const parents = parentsOf.get(policy);
      if (parents === undefined) parentsOf.set(policy, [node]);
      else parents.push(node);
    }
  return parentsOf;
}

/** Leaves a node that is there already as it is. */
function addNode(
  graph: PolicyGraph,
  nodes: Depth,
  policy: Oid,
  parents: readonly PolicyNode[],
  expected: readonly Oid[] = [policy],
): void {
  if (nodes.has(policy)) return;
  graph.work.spend('policyNodes', Math.max(1, parents.length));
  for (const parent of parents) parent.childCount += 1;
  nodes.set(policy, { policy, expected, parents, childCount: 0 });
}

function deleteNode(nodes: Depth, node: PolicyNode): void {
  nodes.delete(node.policy);
  for (const parent of node.parents) parent.childCount -= 1;
}

/** RFC 9618 section 5.3 (d)(3): from the last depth but one upwards, nodes without children go. Without a root it is NULL. */
function prune(graph: PolicyGraph): PolicyGraph | undefined {
  const { depths } = graph;
  for (let depth = depths.length - 2; depth >= 0; depth -= 1) {
    const nodes = depths[depth];
    if (nodes === undefined) continue;
    for (const node of nodes.values()) if (node.childCount === 0) deleteNode(nodes, node);
  }
  return depths[0]?.size === 0 ? undefined : graph;
}

function groupByIssuerDomain(mappings: NonNullable<Certificate['policyMappings']>): Map<Oid, Oid[]> {
  const groups = new Map<Oid, Set<Oid>>();
  for (const { issuerDomain, subjectDomain } of mappings) {
    const group = groups.get(issuerDomain);
    if (group === undefined) groups.set(issuerDomain, new Set([subjectDomain]));
    else group.add(subjectDomain);
  }
  return new Map(Array.from(groups, ([policy, expected]) => [policy, [...expected]]));
}
