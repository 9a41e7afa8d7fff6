/**
 * Which tool definitions may be used: by the bundle in force, and, while the pin of a tool that was seen first here is
 * on its way, by what was seen first. What is seen is told to policy-service in the background; nothing here waits.
 */
import type { BundleHolder } from '@sallyport/policy-engine';
import type { Pins, PinVerdict, SeenTool } from '../door/guarded/ports.ts';

/** First sights of one route that are remembered; a tool beyond them waits. A server that makes up tools takes no other's place. */
const MAX_FIRST_SIGHTS = 4_096;
/** As policy-service has it: a name beyond cannot be pinned. */
const MAX_NAME_LENGTH = 255;
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

export type ToolPinsOptions = {
  readonly holder: Pick<BundleHolder, 'pinOf' | 'toolPinning' | 'revision'>;
  readonly tell: (route: string, tools: readonly SeenTool[]) => void;
};

export function toolPins({ holder, tell }: ToolPinsOptions): Pins {
  /** By route and tool, the digest that was first. Asked only while the bundle does not know the tool. */
  const firstSights = new Map<string, Map<string, string>>();
  function sightsOf(route: string): Map<string, string> {
    const known = firstSights.get(route) ?? new Map<string, string>();
    firstSights.set(route, known);
    return known;
  }

  function verdict(route: string, { name, digest }: Pick<SeenTool, 'name' | 'digest'>): PinVerdict {
    const pin = holder.pinOf(route, name);
    const sights = sightsOf(route);
    if (pin !== undefined) {
      sights.delete(name);
      if (pin.kind === 'unapproved') return 'waiting';
      return pin.digest === digest ? 'pinned' : 'changed';
    }
    // Without a bundle nobody knows how this deployment treats what is new.
    if (holder.toolPinning === 'approve' || holder.revision === 0 || !isPinnable(name)) return 'waiting';
    const first = sights.get(name);
    if (first !== undefined) return first === digest ? 'pinned' : 'changed';
    if (sights.size >= MAX_FIRST_SIGHTS) return 'waiting';
    sights.set(name, digest);
    return 'pinned';
  }

  return {
    check: (route, tools) => tools.map((tool) => verdict(route, tool)),
    current(route, tool) {
      const pin = holder.pinOf(route, tool);
      if (pin !== undefined) return pin.kind === 'pinned' ? pin.digest : undefined;
      return firstSights.get(route)?.get(tool);
    },
    observe(route, tools) {
      tell(
        route,
        tools.filter(({ name }) => isPinnable(name)),
      );
    },
  };
}

const isPinnable = (name: string): boolean =>
  name !== '' && name.length <= MAX_NAME_LENGTH && !UNPRINTABLE.test(name);
