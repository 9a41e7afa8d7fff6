/** Tools as people see them, and what they decide. */
import { notFound } from '@sallyport/service/errors';
import { planApproveTool, planRejectTool } from '../domain/plan-tools.ts';
import type { Result } from '../domain/result.ts';
import {
  parseRouteName,
  parseToolDigest,
  parseToolRef,
  type ToolDigest,
  type ToolRecord,
  type ToolRef,
} from '../domain/tool.ts';
import type { StoredTool } from '../domain/tool-record.ts';
import type { Actor, ToolRecords } from './ports.ts';
import { refusalError, write, type WritePorts } from './write.ts';

const pageSize = 1_000;

export type ToolInput = { readonly route: string; readonly tool: string };

/** One page, by route and tool. Throws `SallyportError`. */
export async function listTools(
  tools: Pick<ToolRecords, 'list'>,
  asked: { readonly route: string; readonly changedOnly: boolean; readonly after: ToolInput | undefined },
): Promise<{ readonly tools: readonly ToolRecord[]; readonly hasMore: boolean }> {
  const route = asked.route === '' ? undefined : value(parseRouteName(asked.route, 'route'));
  const { changedOnly } = asked;
  const after = asked.after === undefined ? undefined : value(parseToolRef(asked.after));
  const found = await tools.list({ route, changedOnly, after, limit: pageSize + 1 });
  return { tools: found.slice(0, pageSize), hasMore: found.length > pageSize };
}

/** Throws `SallyportError`. */
export async function getTool(tools: Pick<ToolRecords, 'get'>, input: ToolInput): Promise<StoredTool> {
  const ref = value(parseToolRef(input));
  const stored = await tools.get(ref);
  if (stored !== undefined) return stored;
  throw notFound(`No gateway has seen this tool at the route "${ref.route}".`, { field: 'tool' });
}

export type ToolVerdict = ToolInput & { /** Hex. */ readonly digest: string };

/** Resolves with the revision in force. Throws `SallyportError`. */
export function approveTool(ports: WritePorts, actor: Actor, verdict: ToolVerdict): Promise<bigint> {
  const [ref, digest] = parseVerdict(verdict);
  return write(ports, actor, (state) => planApproveTool(state, ref, digest));
}

/** Resolves with the revision in force. Throws `SallyportError`. */
export function rejectTool(ports: WritePorts, actor: Actor, verdict: ToolVerdict): Promise<bigint> {
  const [ref, digest] = parseVerdict(verdict);
  return write(ports, actor, (state) => planRejectTool(state, ref, digest));
}

function parseVerdict(verdict: ToolVerdict): [ToolRef, ToolDigest] {
  return [value(parseToolRef(verdict)), value(parseToolDigest(verdict.digest, 'digest'))];
}

function value<T>(result: Result<T>): T {
  if (!result.ok) throw refusalError(result.refusal);
  return result.value;
}
