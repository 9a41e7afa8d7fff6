/**
 * The valid_policy_tree as RFC 5280 sections 6.1.2 to 6.1.5 have it, word for word and without any bound: the oracle of
 * the graph that replaces it, for small inputs.
 */
const ANY = '2.5.29.32.0';

interface TreeNode {
  readonly policy: string;
  expected: readonly string[];
  readonly children: TreeNode[];
}

export interface TreeLevel {
  readonly policies: readonly string[];
  readonly mappings: readonly (readonly [issuer: string, subject: string])[];
  /** The condition of 6.1.3 (d)(2). */
  readonly acceptsAny: boolean;
  /** policy_mapping is 0. */
  readonly isMappingInhibited: boolean;
}

export class PolicyTree {
  private root: TreeNode | undefined = { policy: ANY, expected: [ANY], children: [] };
  private depth = 0;

  get isNull(): boolean {
    return this.root === undefined;
  }

  /** 6.1.3 (d), then 6.1.4 (b). */
  add(level: TreeLevel): void {
    const parents = this.nodesAt(this.depth);
    for (const policy of level.policies.filter((one) => one !== ANY)) {
      const matching = parents.filter(({ expected }) => expected.includes(policy)); // (1)(i)
      const chosen = matching.length > 0 ? matching : parents.filter((parent) => parent.policy === ANY); // (1)(ii)
      for (const parent of chosen) parent.children.push(child(policy));
    }
    if (level.policies.includes(ANY) && level.acceptsAny)
      for (const parent of parents)
        for (const policy of parent.expected)
          if (!parent.children.some((one) => one.policy === policy)) parent.children.push(child(policy)); // (2)
    this.depth += 1;
    this.prune(); // (3)
    this.map(level);
  }

  private map({ mappings, isMappingInhibited }: TreeLevel): void {
    for (const issuer of new Set(mappings.map(([from]) => from))) {
      const expected = mappings.filter(([from]) => from === issuer).map(([, to]) => to);
      const nodes = this.nodesAt(this.depth);
      if (isMappingInhibited) {
        this.remove((node, depth) => depth === this.depth && node.policy === issuer); // (b)(2)
        this.prune();
      } else if (nodes.some(({ policy }) => policy === issuer)) {
        for (const node of nodes) if (node.policy === issuer) node.expected = expected; // (b)(1)
      } else if (nodes.some(({ policy }) => policy === ANY)) {
        const parent = this.nodesAt(this.depth - 1).find(({ policy }) => policy === ANY);
        parent?.children.push({ policy: issuer, expected, children: [] });
      }
    }
  }

  /** The policies of the nodes below an anyPolicy node, and anyPolicy where it is at the last depth. */
  authorityConstrained(): string[] {
    const policies = new Set<string>();
    for (let depth = 0; depth < this.depth; depth += 1)
      for (const parent of this.nodesAt(depth))
        if (parent.policy === ANY)
          for (const { policy } of parent.children) if (policy !== ANY) policies.add(policy);
    if (this.nodesAt(this.depth).some(({ policy }) => policy === ANY)) policies.add(ANY);
    return [...policies];
  }

  /** 6.1.5 (g): whether something is left of the intersection with these. */
  intersects(initial: readonly string[]): boolean {
    if (this.root === undefined) return false; // (i)
    if (initial.includes(ANY)) return true; // (ii)
    const nodeSet = new Set<TreeNode>(); // (iii)(1)
    for (let depth = 0; depth < this.depth; depth += 1)
      for (const parent of this.nodesAt(depth))
        if (parent.policy === ANY) for (const node of parent.children) nodeSet.add(node);
    this.remove((node) => nodeSet.has(node) && node.policy !== ANY && !initial.includes(node.policy)); // (iii)(2)
    const anyAbove = this.nodesAt(this.depth - 1).find(({ policy }) => policy === ANY);
    const anyLast = anyAbove?.children.find(({ policy }) => policy === ANY);
    if (anyAbove !== undefined && anyLast !== undefined) {
      for (const policy of initial)
        if (![...nodeSet].some((node) => node.policy === policy)) anyAbove.children.push(child(policy)); // (iii)(3)
      this.remove((node) => node === anyLast);
    }
    this.prune(); // (iii)(4)
    return !this.isNull;
  }

  private nodesAt(depth: number): TreeNode[] {
    let nodes = this.root === undefined ? [] : [this.root];
    for (let level = 0; level < depth; level += 1) nodes = nodes.flatMap(({ children }) => children);
    return nodes;
  }

  private remove(isUnwanted: (node: TreeNode, depth: number) => boolean): void {
    for (let depth = 0; depth < this.depth; depth += 1)
      for (const { children } of this.nodesAt(depth)) {
        const kept = children.filter((node) => !isUnwanted(node, depth + 1));
        children.splice(0, children.length, ...kept);
      }
  }

  private prune(): void {
    for (let depth = this.depth - 1; depth > 0; depth -= 1)
      this.remove((node, at) => at === depth && node.children.length === 0);
    if (this.root?.children.length === 0 && this.depth > 0) this.root = undefined;
  }
}

function child(policy: string): TreeNode {
  return { policy, expected: [policy], children: [] };
}
