/** `sallyport tools list|show|approve|reject`: which tool definitions may be used. */
import type { Command } from 'commander';
import { toHex } from '@sallyport/crypto';
import { policyv1 } from '@sallyport/proto';
import { withService } from '../connect.ts';
import { CommandFailed, UsageError } from '../exit.ts';
import { enumLabel, oneLine, timeText } from '../format.ts';
import { table } from '../output.ts';
import { changeLines, definitionChanges, definitionLines } from '../tools/definition-diff.ts';
import type { CommandContext, Run } from './context.ts';

const SERVICE = policyv1.PolicyService;
const NAME = 'policy-service';
const asOption = ['--as <identity>', 'identity to act as'] as const;

export function addToolsCommands(program: Command, run: Run): void {
  const tools = program
    .command('tools')
    .description('Tools behind the Model Context Protocol door, and which definition of each may be used');
  tools
    .command('list', { isDefault: true })
    .description('List tools that gateways have seen')
    .option('--route <name>', 'only of this route')
    .option('--changed', 'only those that wait for somebody to decide')
    .option(...asOption)
    .action(run(listTools));
  tools
    .command('show')
    .description('One tool: the definition in use, and what is different in the one that waits')
    .argument('<route>', 'e.g. files')
    .argument('<tool>', 'its name at the server')
    .option(...asOption)
    .action(run(showTool));
  for (const [verb, says, digest] of [
    ['approve', 'Use the definition that waits', 'of the definition that you reviewed, or its beginning'],
    [
      'reject',
      'Keep the definition that waits from being used; with its digest, also the one in use',
      'of the definition to reject, or its beginning',
    ],
  ] as const) {
    tools
      .command(verb)
      .description(says)
      .argument('<route>', 'e.g. files')
      .argument('<tool>', 'its name at the server')
      .option('--digest <hex>', `${digest} (default: of the one that waits now)`)
      .option(...asOption)
      .action(
        run((context, options: { digest?: string }, route, tool) =>
          decide(context, verb, options, route, tool),
        ),
      );
  }
}

async function listTools(
  context: CommandContext,
  { route = '', changed = false }: { route?: string; changed?: boolean },
): Promise<void> {
  const rows: string[][] = [];
  await withService(context, SERVICE, NAME, async (client) => {
    let after = { afterRoute: '', afterTool: '' };
    for (;;) {
      const { tools, hasMore } = await client.listTools({ route, changedOnly: changed, ...after });
      for (const tool of tools) {
        if (context.output.json) context.output.result(toolJson(tool), '');
        rows.push([
          tool.route,
          oneLine(tool.tool),
          listedStatus(tool),
          shortDigest(tool),
          timeText(tool.lastSeen) ?? '',
        ]);
      }
      const last = tools.at(-1);
      if (!hasMore || last === undefined) return;
      after = { afterRoute: last.route, afterTool: last.tool };
    }
  });
  if (context.output.json) return;
  context.output.result({}, table(['ROUTE', 'TOOL', 'STATUS', 'DIGEST', 'LAST SEEN'], rows));
  if (rows.length === 0) context.output.note(changed ? 'Nothing waits.' : 'No gateway has seen a tool yet.');
}

async function showTool(context: CommandContext, _options: object, route = '', tool = ''): Promise<void> {
  const answer = await withService(context, SERVICE, NAME, (client) => client.getTool({ route, tool }));
  const found = present(answer.tool);
  const { pinnedDefinition, candidateDefinition } = answer;
  const changes =
    found.candidateDigest.length === 0 ? [] : definitionChanges(pinnedDefinition, candidateDefinition);
  const value = {
    ...toolJson(found),
    pinnedDefinition: parsed(pinnedDefinition),
    candidateDefinition: parsed(candidateDefinition),
    changes: found.pinnedDigest.length === 0 ? undefined : changes,
  };
  context.output.result(value, [...heading(found), ...body(found, answer)].join('\n'));
}

function heading(tool: policyv1.Tool): string[] {
  const approved =
    tool.approvedBy === '' ? [] : [`approved: by ${tool.approvedBy}, ${timeText(tool.approvedAt) ?? ''}`];
  return [
    `${tool.route} ${oneLine(tool.tool)}: ${statusText(tool)}`,
    `seen: first ${timeText(tool.firstSeen) ?? ''}, last ${timeText(tool.lastSeen) ?? ''} by ${oneLine(tool.seenBy)}`,
    ...(tool.pinnedDigest.length === 0 ? [] : [`in use: ${toHex(tool.pinnedDigest)}`]),
    ...approved,
    ...(tool.candidateDigest.length === 0
      ? []
      : [
          `${tool.candidateRejected ? 'rejected' : 'waits'}: ${toHex(tool.candidateDigest)}, ${timeText(tool.candidateSeen) ?? ''}`,
        ]),
  ];
}

function body(
  tool: policyv1.Tool,
  { pinnedDefinition, candidateDefinition }: policyv1.GetToolResponse,
): string[] {
  const whole = (definition: string): string[] =>
    definition === ''
      ? ['The definition is too long to be kept: look at the server.']
      : definitionLines(definition);
  if (tool.candidateDigest.length === 0) return ['', ...whole(pinnedDefinition)];
  if (tool.pinnedDigest.length === 0 || pinnedDefinition === '' || candidateDefinition === '') {
    return ['', ...whole(candidateDefinition)];
  }
  return [
    '',
    `What is different ("-" in use, "+" ${tool.candidateRejected ? 'rejected' : 'waits'}):`,
    ...changeLines(definitionChanges(pinnedDefinition, candidateDefinition)),
  ];
}

async function decide(
  context: CommandContext,
  verb: 'approve' | 'reject',
  options: { digest?: string },
  route = '',
  tool = '',
): Promise<void> {
  await withService(context, SERVICE, NAME, async (client) => {
    const found = present((await client.getTool({ route, tool })).tool);
    const digest = chosenDigest(found, verb, options.digest);
    const request = { route, tool, digest };
    const { revision }: { revision: bigint } =
      verb === 'approve' ? await client.approveTool(request) : await client.rejectTool(request);
    const says = verb === 'approve' ? 'is in use' : 'is not to be used';
    context.output.result(
      { route, tool, digest: toHex(digest), verdict: verb === 'approve' ? 'approved' : 'rejected', revision },
      `${route} ${oneLine(tool)}: the definition ${toHex(digest)} ${says} since policy revision ${revision}.`,
    );
  });
}

/** What was reviewed: named, or the one that waits. Throws `UsageError`, `CommandFailed`. */
function chosenDigest(
  tool: policyv1.Tool,
  verb: 'approve' | 'reject',
  named: string | undefined,
): Uint8Array {
  const { candidateDigest, pinnedDigest } = tool;
  if (named === undefined) {
    if (candidateDigest.length > 0) return candidateDigest;
    throw new CommandFailed(
      verb === 'approve'
        ? 'Nothing waits for approval: the definition in use is the one that the server shows.'
        : `Nothing waits. To take the definition in use from everybody: --digest ${toHex(pinnedDigest)}`,
      { reason: 'conflict' },
    );
  }
  if (!/^[0-9a-f]{12,64}$/.test(named)) {
    throw new UsageError('--digest must be the digest in hex, or at least its first 12 characters.');
  }
  const known = [candidateDigest, pinnedDigest].find((digest) => toHex(digest).startsWith(named));
  if (known !== undefined && known.length > 0) return known;
  throw new CommandFailed(
    `No definition of this tool has the digest ${named} any more: look at it again with \`tools show\`.`,
    { reason: 'conflict' },
  );
}

const statusText = (tool: policyv1.Tool): string => enumLabel(policyv1.ToolStatus, tool.status);

/** In lists, where nothing else tells that the server was last seen with a definition that may not be used. */
const listedStatus = (tool: policyv1.Tool): string =>
  tool.candidateRejected && tool.candidateDigest.length > 0 && tool.pinnedDigest.length > 0
    ? `${statusText(tool)}, another rejected`
    : statusText(tool);

/** Of the definition that a decision would be about. */
function shortDigest({ candidateDigest, candidateRejected, pinnedDigest }: policyv1.Tool): string {
  const digest = candidateDigest.length > 0 && !candidateRejected ? candidateDigest : pinnedDigest;
  return toHex(digest).slice(0, 12);
}

function toolJson(tool: policyv1.Tool): Record<string, unknown> {
  const all: Record<string, unknown> = {
    route: tool.route,
    tool: tool.tool,
    status: statusText(tool),
    pinnedDigest: toHex(tool.pinnedDigest),
    candidateDigest: toHex(tool.candidateDigest),
    candidateRejected: tool.candidateDigest.length === 0 ? undefined : tool.candidateRejected,
    firstSeen: timeText(tool.firstSeen),
    lastSeen: timeText(tool.lastSeen),
    seenBy: tool.seenBy,
    candidateSeen: timeText(tool.candidateSeen),
    approvedBy: tool.approvedBy,
    approvedAt: timeText(tool.approvedAt),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== '' && value !== undefined));
}

function present(tool: policyv1.Tool | undefined): policyv1.Tool {
  if (tool === undefined) throw new CommandFailed('policy-service answered without a tool.');
  return tool;
}

function parsed(definition: string): unknown {
  return definition === '' ? undefined : (JSON.parse(definition) as unknown);
}
