/** Pins of one process, forgotten with it: first sight pins, or waits until it is approved. */
import type { Pins, SeenTool } from './ports.ts';

export type MemoryPins = Pins & {
  /** What was reported, in order. */
  readonly observed: readonly (SeenTool & { readonly route: string })[];
  /** The digest that a tool may have from now on. */
  approve(route: string, tool: string, digest: string): void;
};

/** `first-use`: what is seen first is the pin. `approve`: nothing is, until it is approved. */
export function memoryPins(mode: 'first-use' | 'approve'): MemoryPins {
  const pinned = new Map<string, string>();
  const observed: (SeenTool & { readonly route: string })[] = [];
  const nameOf = (route: string, tool: string): string => `${route}\0${tool}`;
  return {
    observed,
    check: (route, tools) =>
      tools.map(({ name, digest }) => {
        const known = pinned.get(nameOf(route, name));
        if (known !== undefined) return known === digest ? 'pinned' : 'changed';
        if (mode === 'approve') return 'waiting';
        pinned.set(nameOf(route, name), digest);
        return 'pinned';
      }),
    current: (route, tool) => pinned.get(nameOf(route, tool)),
    observe: (route, tools) => void observed.push(...tools.map((tool) => ({ ...tool, route }))),
    approve: (route, tool, digest) => void pinned.set(nameOf(route, tool), digest),
  };
}
