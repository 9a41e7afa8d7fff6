/** `sallyport psk create|list|revoke`: pre-shared keys are made by the system and shown once. */
import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { toBase64url, toHex } from '@sallyport/crypto';
import { authv1 } from '@sallyport/proto';
import { withService } from '../connect.ts';
import { CommandFailed } from '../exit.ts';
import { parseHex, parseInteger, timeText } from '../format.ts';
import { table } from '../output.ts';
import type { CommandContext, Run } from './context.ts';

export function addPskCommands(program: Command, run: Run): void {
  const psk = program.command('psk').description('Pre-shared keys for clients without a certificate');
  psk
    .command('create')
    .description('Make a pre-shared key and write it to a file only you can read')
    .argument('<principal>', 'whom it authenticates, e.g. workload:batch')
    .requiredOption('--out <file>', 'where to write it (JSON, mode 0600); must not exist')
    .option('--days <n>', 'lifetime in days', '90')
    .option('--label <text>', 'what it is for', '')
    .option('--as <identity>', 'identity to act as')
    .action(run(createPsk));
  psk
    .command('list')
    .description('List pre-shared keys, never their bytes')
    .option('--principal <id>', 'only those of one principal')
    .option('--as <identity>', 'identity to act as')
    .action(run(listPsks));
  psk
    .command('revoke')
    .description('Refuse a pre-shared key from now on')
    .argument('<id>', 'its id, as `sallyport psk list` shows it')
    .option('--as <identity>', 'identity to act as')
    .action(run(revokePsk));
}

async function createPsk(
  context: CommandContext,
  options: { out: string; days: string; label: string },
  principal = '',
): Promise<void> {
  const lifetimeDays = parseInteger(options.days, 1, 3650, '--days');
  // Taken before the key is made: a key that cannot be written would be lost.
  const reserve = writeFile(options.out, '', { flag: 'wx', mode: 0o600 });
  await reserve.catch((error: unknown) => {
    throw new CommandFailed(
      `Cannot create ${options.out}: ${(error as Error).message}. Choose a file that does not exist.`,
    );
  });
  const made = await withService(context, authv1.AuthService, 'auth-service', (client) =>
    client.createPsk({ principal, lifetimeDays, label: options.label }),
  );
  await writeFile(options.out, pskFileText(principal, made));
  const pskId = toHex(made.pskId);
  context.output.result(
    { pskId, principal, notAfter: timeText(made.notAfter), file: options.out },
    `Wrote ${options.out}: key ${pskId} for ${principal}, valid until ${timeText(made.notAfter)}.`,
  );
}

/** The file that `--psk` reads: JSON with the id in hex and the key in base64url. */
export function pskFileText(principal: string, made: authv1.CreatePskResponse): string {
  return `${JSON.stringify({ principal, pskId: toHex(made.pskId), psk: toBase64url(made.psk) }, null, 2)}\n`;
}

async function listPsks(context: CommandContext, options: { principal?: string }): Promise<void> {
  const { psks } = await withService(context, authv1.AuthService, 'auth-service', (client) =>
    client.listPsks({ principal: options.principal ?? '' }),
  );
  const rows = psks.map((psk) => ({
    pskId: toHex(psk.pskId),
    principal: psk.principal,
    label: psk.label,
    createdAt: timeText(psk.createdAt),
    notAfter: timeText(psk.notAfter),
    revokedAt: timeText(psk.revokedAt),
  }));
  if (context.output.json) {
    for (const row of rows) context.output.result(row, '');
    return;
  }
  const cells = rows.map((row) => [
    row.pskId,
    row.principal,
    row.label,
    row.notAfter ?? '',
    row.revokedAt ?? '',
  ]);
  context.output.result({}, table(['ID', 'PRINCIPAL', 'LABEL', 'VALID UNTIL', 'REVOKED'], cells));
}

async function revokePsk(context: CommandContext, _options: object, id = ''): Promise<void> {
  const pskId = parseHex(id, 16, 'pre-shared key id');
  await withService(context, authv1.AuthService, 'auth-service', (client) => client.revokePsk({ pskId }));
  context.output.result({ pskId: id, revoked: true }, `Revoked ${id}.`);
}
