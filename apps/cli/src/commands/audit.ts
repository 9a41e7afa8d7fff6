/** `sallyport audit query|tail|verify|prove`. */
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { Option, type Command } from 'commander';
import { auditv1 } from '@sallyport/proto';
import { SallyportError } from '@sallyport/service/errors';
import { parsePrincipalId } from '@sallyport/service/identity';
import { recordJson, recordLine } from '../audit/records.ts';
import { anyReplica } from '../audit/replicas.ts';
import { withReplicas, withService } from '../connect.ts';
import { UsageError } from '../exit.ts';
import { parseHex, parseInteger, parseTime } from '../format.ts';
import { prove, verify } from '../audit/verify.ts';
import type { CommandContext, Run } from './context.ts';

const SERVICE = auditv1.AuditService;
const NAME = 'audit-service';
const PAGE_SIZE = 1000;

export function addAuditCommands(program: Command, run: Run): void {
  const audit = program.command('audit').description('What happened, and the proof of it');
  audit
    .command('query')
    .description('List records, oldest first; a message is one record with its decision and outcome')
    .option('--since <time>', 'from: an age such as 5m or 1d, or a date', '1h')
    .option('--until <time>', 'to: an age or a date (default: now)')
    .option('--principal <id>', 'e.g. user:alice')
    .option('--action <name>', 'e.g. message.send')
    .addOption(new Option('--decision <name>', 'what policy said').choices(['allow', 'deny']))
    .addOption(
      new Option('--outcome <name>', 'how it ended').choices(['success', 'failure', 'refused', 'unknown']),
    )
    .option(
      '--destination <name>',
      'a route or a server, e.g. echo or files; "*": refused at /mcp before a server was chosen',
    )
    .addOption(new Option('--route <name>', 'the same as --destination').conflicts('destination'))
    .option(
      '--target <name>',
      'a tool, a prompt or the URI of a resource behind the Model Context Protocol door',
    )
    .option('--session <id>', 'session id in hex')
    .option('--correlation <id>', 'correlation of a message in hex')
    .option('--limit <n>', 'at most so many (default: all)')
    .option('--phases', 'decisions and outcomes as records of their own')
    .option('--event', 'with the whole event (OCSF in CloudEvents)')
    .option('--as <identity>', 'identity to act as')
    .action(run(query));
  audit
    .command('tail')
    .description('Follow records as they are committed')
    .option('--principal <id>', 'e.g. user:alice')
    .option('--action <name>', 'e.g. context.tools.call')
    .option(
      '--destination <name>',
      'a route or a server, e.g. echo or files; "*": refused at /mcp before a server was chosen',
    )
    .addOption(new Option('--route <name>', 'the same as --destination').conflicts('destination'))
    .option(
      '--target <name>',
      'a tool, a prompt or the URI of a resource behind the Model Context Protocol door',
    )
    .option('--event', 'with the whole event')
    .option('--as <identity>', 'identity to act as')
    .action(run(tail));
  audit
    .command('verify')
    .description('Check the whole log: signature, tree, tiles, events, rows; names what does not fit')
    .option('--proof <file>', 'check one proof made by `audit prove`, offline, instead')
    .option('--key <vkey>', 'verifier key of the log (default: the one pinned in the state folder)')
    .option('--as <identity>', 'identity to act as')
    .action(run(verify));
  audit
    .command('prove')
    .description('Write the proof that a record is in the log, for anyone to check offline')
    .argument('<leaf>', 'leaf index, as `audit query` shows it')
    .option('--out <file>', 'where to write it (default: standard output)')
    .option('--as <identity>', 'identity to act as')
    .action(run(prove));
}

type QueryOptions = {
  since: string;
  until?: string;
  principal?: string;
  action?: string;
  decision?: string;
  outcome?: string;
  destination?: string;
  route?: string;
  target?: string;
  session?: string;
  correlation?: string;
  limit?: string;
  phases?: boolean;
  event?: boolean;
};

async function query(context: CommandContext, options: QueryOptions): Promise<void> {
  const nowMs = Date.now();
  const limit =
    options.limit === undefined ? Infinity : parseInteger(options.limit, 1, 10_000_000, '--limit');
  const request = {
    since: timestampFromDate(parseTime(options.since, nowMs)),
    ...(options.until === undefined ? {} : { until: timestampFromDate(parseTime(options.until, nowMs)) }),
    principal: principalOption(options.principal),
    action: options.action ?? '',
    decision: options.decision ?? '',
    outcome: options.outcome ?? '',
    destination: options.destination ?? options.route ?? '',
    target: options.target ?? '',
    sessionId: options.session === undefined ? new Uint8Array() : parseHex(options.session, 16, 'session id'),
    correlation:
      options.correlation === undefined ? new Uint8Array() : parseHex(options.correlation, 16, 'correlation'),
    joinOutcomes: options.phases !== true,
    includeEvent: options.event === true,
  };
  let count = 0;
  await withReplicas(context, SERVICE, NAME, async (replicas) => {
    const ask = anyReplica(replicas); // all read one database, and a page's token is good at each of them
    for (let pageToken = ''; count < limit;) {
      const page = { ...request, pageSize: Math.min(PAGE_SIZE, limit - count), pageToken };
      const found = await ask((client) => client.queryRecords(page, { signal: context.signal }));
      for (const record of found.records) context.output.result(recordJson(record), recordLine(record));
      count += found.records.length;
      pageToken = found.nextPageToken;
      if (pageToken === '') return;
    }
  });
  context.output.note(`${count} record${count === 1 ? '' : 's'}.`);
}

async function tail(
  context: CommandContext,
  options: Pick<QueryOptions, 'principal' | 'action' | 'destination' | 'route' | 'target' | 'event'>,
): Promise<void> {
  const request = {
    principal: principalOption(options.principal),
    action: options.action ?? '',
    destination: options.destination ?? options.route ?? '',
    target: options.target ?? '',
    includeEvent: options.event === true,
  };
  context.output.note('Following the log; Ctrl-C ends it.');
  await withService(context, SERVICE, NAME, async (client) => {
    try {
      for await (const { records } of client.tailRecords(request, { signal: context.signal })) {
        for (const record of records) context.output.result(recordJson(record), recordLine(record));
      }
    } catch (error) {
      // The user's Ctrl-C is how a tail ends.
      if (!(error instanceof SallyportError && error.reason === 'cancelled' && context.signal.aborted))
        throw error;
    }
  });
}

/** A typo here would read as "nothing happened". Throws `UsageError`. */
function principalOption(text: string | undefined): string {
  if (text === undefined) return '';
  if (parsePrincipalId(text) !== undefined) return text;
  throw new UsageError(
    `"${text}" is not a principal: it is user:<id>, workload:<id> or device:<id>, e.g. user:alice.`,
  );
}
