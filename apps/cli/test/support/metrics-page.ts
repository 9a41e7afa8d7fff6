/** docs/metrics.md, and an exposition, as what can be compared. */

export type Family = {
  readonly type: string;
  /** Without `service` and `le`. */
  readonly labels: readonly string[];
  /** Services that have a series of it; of a page those that are said to. */
  readonly by: readonly string[];
};

export const SERVICES = [
  'audit-service',
  'auth-service',
  'gateway',
  'key-service',
  'policy-service',
] as const;

/** Rows of the page by name. Those of the cluster profile are left out of the embedded one. */
export function documentedFamilies(page: string, profile: 'embedded' | 'cluster'): Map<string, Family> {
  const families = new Map<string, Family>();
  for (const line of page.split('\n')) {
    const [, name, type, labels, by] = /^\| `(\w+)` +\| (\w+) +\| ([^|]*)\| ([^|]+)\|/u.exec(line) ?? [];
    if (name === undefined || type === undefined || labels === undefined || by === undefined) continue;
    if (by.includes('(cluster)') && profile === 'embedded') continue;
    const services = by.replace('(cluster)', '').trim();
    families.set(name, {
      type,
      labels: Array.from(labels.matchAll(/`(\w+)`/gu), (match) => match[1] ?? ''),
      by: services === 'all' ? SERVICES : services.split(', ').toSorted((a, b) => a.localeCompare(b)),
    });
  }
  return families;
}

/** What a running system shows, all of its processes together. A family without series yet has no labels and nobody who has it. */
export function exposedFamilies(exposition: string): Map<string, Family> {
  const families = new Map<string, { type: string; labels: Set<string>; by: Set<string> }>();
  let current: { type: string; labels: Set<string>; by: Set<string> } | undefined;
  for (const line of exposition.split('\n')) {
    const [, name, type] = /^# TYPE (\S+) (\S+)$/u.exec(line) ?? [];
    if (name !== undefined && type !== undefined) {
      current = families.get(name) ?? { type, labels: new Set(), by: new Set() };
      families.set(name, current);
    } else if (!line.startsWith('#')) {
      for (const [, label, value] of line.matchAll(/(\w+)="([^"]*)"/gu)) {
        if (label === 'service') current?.by.add(value ?? '');
        else if (label !== undefined && label !== 'le') current?.labels.add(label);
      }
    }
  }
  return new Map(
    Array.from(families, ([name, { type, labels, by }]) => [
      name,
      { type, labels: [...labels], by: [...by].toSorted((a, b) => a.localeCompare(b)) },
    ]),
  );
}
