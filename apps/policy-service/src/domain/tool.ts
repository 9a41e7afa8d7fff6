/**
 * Tools that gateways saw at their servers, and which definition of each may be used.
 *
 * A definition is known by its digest. `pinned` is the one in use; `candidate` is the last one seen that is not pinned,
 * and it waits until somebody approves or rejects it.
 */
import { accept, quoted, refuse, type Result } from './result.ts';

declare const brand: unique symbol;
export type RouteName = string & { readonly [brand]: 'route' };
export type ToolName = string & { readonly [brand]: 'tool' };
/** SHA-256, lower-case hex. */
export type ToolDigest = string & { readonly [brand]: 'digest' };

export type ToolRef = { readonly route: RouteName; readonly tool: ToolName };

/** How tools are treated that nobody decided about. */
export type ToolPinning = 'first-use' | 'approve';

/** What the policy says of a tool: what a plan looks at, and what goes into the bundle. */
export type ToolPin = ToolRef & {
  /** Empty = none. */
  readonly pinned: ToolDigest | '';
  /** Empty = none. */
  readonly candidate: ToolDigest | '';
  readonly isCandidateRejected: boolean;
};

export type ToolStatus = 'pinned' | 'changed' | 'waiting' | 'rejected';

/** All that is known of a tool. */
export type ToolRecord = ToolPin & {
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
  /** The gateway that saw it last. */
  readonly seenBy: string;
  readonly candidateSeenMs: number | undefined;
  /** "user:admin", "first-use"; empty while nothing is pinned. */
  readonly approvedBy: string;
  readonly approvedAtMs: number | undefined;
};

/** JSON each; empty = none, or too long to be kept. */
export type Definitions = { readonly pinned: string; readonly candidate: string };

export type Sighting = ToolRef & { readonly digest: ToolDigest; readonly definition: string };

const routePattern = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const digestPattern = /^[0-9a-f]{64}$/;
export const maxToolNameChars = 255;
export const maxDefinitionBytes = 64 * 1024;
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

export function parseRouteName(text: string, field: string): Result<RouteName> {
  return routePattern.test(text)
    ? accept(text as RouteName)
    : refuse('malformed', field, `${quoted(text)} is not a route of the Model Context Protocol door.`);
}

export function parseToolName(text: string, field: string): Result<ToolName> {
  return text !== '' && text.length <= maxToolNameChars && !unprintable.test(text)
    ? accept(text as ToolName)
    : refuse(
        'malformed',
        field,
        `${quoted(text)} is not a tool: 1 to ${maxToolNameChars} printable characters.`,
      );
}

export function parseToolRef(input: { readonly route: string; readonly tool: string }): Result<ToolRef> {
  const route = parseRouteName(input.route, 'route');
  if (!route.ok) return route;
  const tool = parseToolName(input.tool, 'tool');
  return tool.ok ? accept({ route: route.value, tool: tool.value }) : tool;
}

export function parseToolDigest(hex: string, field: string): Result<ToolDigest> {
  return digestPattern.test(hex)
    ? accept(hex as ToolDigest)
    : refuse('malformed', field, 'A digest is the SHA-256 of a definition: 32 bytes.');
}

/** Routes have no slash, so two tools never share a key. */
export const toolKey = ({ route, tool }: ToolRef): string => `${route}/${tool}`;

export function statusOf({ pinned, candidate, isCandidateRejected }: ToolPin): ToolStatus {
  const waits = candidate !== '' && !isCandidateRejected;
  if (pinned !== '') return waits ? 'changed' : 'pinned';
  return candidate !== '' && isCandidateRejected ? 'rejected' : 'waiting';
}

/** A definition that was not seen before in this tool. */
export const isDrift = (pin: ToolPin, digest: ToolDigest): boolean =>
  digest !== pin.pinned && digest !== pin.candidate;

/** By route, then tool, in the order of UTF-8. */
export function compareTools(
  a: { readonly route: string; readonly tool: string },
  b: { readonly route: string; readonly tool: string },
): number {
  return (
    Buffer.compare(Buffer.from(a.route), Buffer.from(b.route)) ||
    Buffer.compare(Buffer.from(a.tool), Buffer.from(b.tool))
  );
}
