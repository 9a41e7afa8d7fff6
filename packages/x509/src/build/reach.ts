/**
 * How far an anchor is from each name, going by names alone: signatures and constraints can only make it further. Found
 * in one walk over the names that the leaf leads to, so that the search neither wanders through a mesh that has no way
 * out nor takes the long way first (RFC 4158 section 3.5.6).
 */
import type { Work } from '../work.ts';
import type { Anchors } from './anchors.ts';
import type { Pool } from './pool.ts';

/** The least number of intermediates between an anchor and who is named: 0 for an anchor's own name, Infinity for none. */
export type Reach = (name: string) => number;

export function measureReach(issuer: string, pool: Pool, anchors: Anchors, work: Work): Reach {
  const issued = new Map<string, string[]>();
  const names = namesAbove(issuer, pool, work, issued);
  const distances = new Map<string, number>();
  let frontier = names.filter((name) => anchors.has(name));
  for (let distance = 0; frontier.length > 0; distance++) {
    const next: string[] = [];
    for (const name of frontier) {
      if (distances.has(name)) continue;
      distances.set(name, distance);
      next.push(...(issued.get(name) ?? []));
    }
    frontier = next;
  }
  return (name) => distances.get(name) ?? Number.POSITIVE_INFINITY;
}

/** Every name that issuers lead to from `issuer` on, itself included; `issued` is filled with whom each of them issued. */
function namesAbove(
  issuer: string,
  pool: Pool,
  work: Work,
  issued: Map<string, string[]>,
): readonly string[] {
  const names = [issuer];
  const seen = new Set(names);
  for (const subject of names) {
    const nodes = pool.named(subject);
    work.spend('buildSteps', nodes.length);
    for (const node of nodes) {
      const subjects = issued.get(node.issuer);
      if (subjects === undefined) issued.set(node.issuer, [subject]);
      else if (subjects.at(-1) !== subject) subjects.push(subject);
      if (seen.has(node.issuer)) continue;
      seen.add(node.issuer);
      names.push(node.issuer);
    }
  }
  return names;
}
