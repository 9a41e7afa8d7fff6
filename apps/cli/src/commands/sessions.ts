/** `sallyport sessions list|revoke`. */
import type { Command } from 'commander';
import { toHex } from '@sallyport/crypto';
import { authv1 } from '@sallyport/proto';
import { withService } from '../connect.ts';
import { UsageError } from '../exit.ts';
import { oneLine, parseHex, timeText } from '../format.ts';
import { table } from '../output.ts';
import type { CommandContext, Run } from './context.ts';

export function addSessionsCommands(program: Command, run: Run): void {
  const sessions = program
    .command('sessions')
    .description('Sessions of the secure channel, and of access tokens');
  sessions
    .command('list')
    .description('List sessions, newest first')
    .option('--principal <id>', 'only those of one principal, e.g. user:alice')
    .option('--all', 'ended ones too')
    .option('--as <identity>', 'identity to act as')
    .action(run(listSessions));
  sessions
    .command('revoke')
    .description('End a session, or all sessions of a principal, at every gateway')
    .argument('[session]', 'session id, as `sallyport sessions list` shows it')
    .option('--principal <id>', 'all sessions of this principal')
    .option('--cause <text>', 'why, for the record', 'revoked by an administrator')
    .option('--as <identity>', 'identity to act as')
    .action(run(revokeSessions));
}

type ListOptions = { principal?: string; all?: boolean };

async function listSessions(context: CommandContext, options: ListOptions): Promise<void> {
  const rows: authv1.Session[] = [];
  await withService(context, authv1.AuthService, 'auth-service', async (client) => {
    for (let pageToken = ''; ;) {
      const page = await client.listSessions({
        principal: options.principal ?? '',
        includeEnded: options.all === true,
        pageSize: 1000,
        pageToken,
      });
      rows.push(...page.sessions);
      pageToken = page.nextPageToken;
      if (pageToken === '') return;
    }
  });
  const flat = rows.map((session) => ({
    sessionId: toHex(session.sessionId),
    principal: session.principal,
    tenant: session.tenant,
    method: session.method,
    // Of services that are older than tokens: they have channels only.
    kind: session.kind === '' ? 'channel' : session.kind,
    clientId: session.clientId === '' ? undefined : session.clientId,
    state: session.state,
    openedAt: timeText(session.openedAt),
    notAfter: timeText(session.notAfter),
    endedAt: timeText(session.endedAt),
    endCause: session.endCause === '' ? undefined : session.endCause,
    sourceAddress: session.sourceAddress,
  }));
  if (context.output.json) {
    for (const row of flat) context.output.result(row, '');
    return;
  }
  const cells = flat.map((row) => [
    row.sessionId,
    row.principal,
    row.kind,
    row.method,
    row.state,
    row.openedAt ?? '',
    // Last, as a client may be named by a long address; programs chose it.
    oneLine(row.clientId ?? ''),
  ]);
  const heading = ['SESSION', 'PRINCIPAL', 'KIND', 'METHOD', 'STATE', 'OPENED', 'CLIENT'];
  context.output.result({}, table(heading, cells));
}

async function revokeSessions(
  context: CommandContext,
  options: { principal?: string; cause: string },
  session?: string,
): Promise<void> {
  if ((session === undefined) === (options.principal === undefined)) {
    throw new UsageError('Name either a session or --principal, and not both.');
  }
  const target =
    session === undefined
      ? ({ case: 'principal', value: options.principal ?? '' } as const)
      : ({ case: 'sessionId', value: parseHex(session, 16, 'session id') } as const);
  const { sessionIds } = await withService(context, authv1.AuthService, 'auth-service', (client) =>
    client.revokeSessions({ target, cause: options.cause }),
  );
  const revoked = sessionIds.map(toHex);
  context.output.result(
    { revoked },
    revoked.length === 0
      ? 'No live session matched.'
      : `Revoked:\n${revoked.map((id) => `  ${id}`).join('\n')}`,
  );
}
