/**
 * Tool pins as a bundle carries them: which definition of which tool is approved. They are no part of the policy's data:
 * the module never sees them.
 */

import { isJsonObject } from './json.ts';

/** `first-use`: the first definition that is seen counts as approved. `approve`: none does until somebody approves it. */
export type ToolPinning = 'first-use' | 'approve';

/** What is known of one tool of one route. */
export type ToolPin =
  | {
      readonly kind: 'pinned';
      /** Of the approved definition (`toolDigest`), hex. */ readonly digest: string;
    }
  /** Seen, and no definition is approved. */
  | { readonly kind: 'unapproved' };

export type ToolPins = {
  readonly mode: ToolPinning;
  /** Route → tool → pin. */
  readonly routes: ReadonlyMap<string, ReadonlyMap<string, ToolPin>>;
};

export const NO_TOOL_PINS: ToolPins = Object.freeze({ mode: 'first-use', routes: new Map() });

const MAX_PINS = 20_000;
const MAX_TOOL_NAME_LENGTH = 255;
const ROUTE = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const DIGEST = /^[0-9a-f]{64}$/;

/** `{mode, routes: {route: {tool: digest or ''}}}`, or undefined when anything is out of shape or beyond 20,000 pins. */
export function parseToolPins(value: unknown): ToolPins | undefined {
  if (!isJsonObject(value) || Object.keys(value).sort().join() !== 'mode,routes') return undefined;
  const { mode, routes } = value;
  if ((mode !== 'first-use' && mode !== 'approve') || !isJsonObject(routes)) return undefined;
  const parsed = new Map<string, ReadonlyMap<string, ToolPin>>();
  let count = 0;
  for (const [route, tools] of Object.entries(routes)) {
    if (!ROUTE.test(route) || !isJsonObject(tools)) return undefined;
    const pins = new Map<string, ToolPin>();
    for (const [tool, digest] of Object.entries(tools)) {
      count += 1;
      const pin = tool === '' || tool.length > MAX_TOOL_NAME_LENGTH ? undefined : pinOf(digest);
      if (pin === undefined || count > MAX_PINS) return undefined;
      pins.set(tool, pin);
    }
    parsed.set(route, pins);
  }
  return Object.freeze({ mode, routes: parsed });
}

/** What `parseToolPins` reads. */
export function toolPinsJson({ mode, routes }: ToolPins): Record<string, unknown> {
  const entries = [...routes].map(([route, tools]) => {
    const digests = [...tools].map(([tool, pin]) => [tool, pin.kind === 'pinned' ? pin.digest : '']);
    return [route, Object.fromEntries(digests) as Record<string, string>] as const;
  });
  return { mode, routes: Object.fromEntries(entries) };
}

function pinOf(digest: unknown): ToolPin | undefined {
  if (digest === '') return UNAPPROVED;
  return typeof digest === 'string' && DIGEST.test(digest)
    ? Object.freeze({ kind: 'pinned', digest })
    : undefined;
}

const UNAPPROVED: ToolPin = Object.freeze({ kind: 'unapproved' });
