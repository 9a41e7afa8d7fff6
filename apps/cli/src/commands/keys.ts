/** `sallyport keys list|rotate`. */
import type { Command } from 'commander';
import { keyv1 } from '@sallyport/proto';
import { addPin } from '../audit/pins.ts';
import { withService } from '../connect.ts';
import { enumLabel, timeText } from '../format.ts';
import { table } from '../output.ts';
import type { CommandContext, Run } from './context.ts';

const LOG_KEY = 'audit-checkpoint';

export function addKeysCommands(program: Command, run: Run): void {
  const keys = program.command('keys').description('Keys of the key-service; never their material');
  keys
    .command('list')
    .description('List keys with their versions, states and uses')
    .option('--as <identity>', 'identity to act as')
    .action(run(listKeys));
  keys
    .command('rotate')
    .description('Make a new version active; the old one only decrypts or verifies from then on')
    .argument('<name>', 'key name, as `sallyport keys list` shows it')
    .option('--as <identity>', 'identity to act as')
    .action(run(rotateKey));
}

async function listKeys(context: CommandContext): Promise<void> {
  const { keys } = await withService(context, keyv1.KeyService, 'key-service', (client) =>
    client.listKeys({}),
  );
  const rows = keys.flatMap((key) =>
    key.versions.map((version) => ({
      name: key.name,
      kind: enumLabel(keyv1.KeyKind, key.kind),
      tenant: key.tenant,
      version: version.version,
      keyId: version.keyId,
      state: enumLabel(keyv1.KeyState, version.state),
      createdAt: timeText(version.createdAt),
      uses: version.uses,
    })),
  );
  if (context.output.json) {
    for (const row of rows) context.output.result(row, '');
    return;
  }
  const cells = rows.map((row) => [
    row.name,
    row.kind,
    String(row.version),
    row.state,
    row.createdAt ?? '',
    String(row.uses),
  ]);
  context.output.result({}, table(['KEY', 'KIND', 'VERSION', 'STATE', 'CREATED', 'USES'], cells));
}

async function rotateKey(context: CommandContext, _options: object, name = ''): Promise<void> {
  const active = await withService(context, keyv1.KeyService, 'key-service', async (client) => {
    const rotated = await client.rotateKey({ name });
    if (name === LOG_KEY) {
      // Whoever rotates the key of the log knows the next one first-hand: it joins the pins here and now.
      const { keys } = await client.listPublicKeys({ purpose: LOG_KEY });
      const next = keys.find(({ keyId }) => keyId === rotated.active?.keyId);
      if (next !== undefined) await addPin(context.home.logKeyFile, next.publicKey);
    }
    return rotated.active;
  });
  context.output.result(
    { name, version: active?.version, keyId: active?.keyId, state: 'active' },
    `${name} is now at version ${active?.version} (${active?.keyId}).`,
  );
}
