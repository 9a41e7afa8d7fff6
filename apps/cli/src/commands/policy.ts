/** `sallyport policy roles|bind|unbind|bindings|check|status`. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { policyv1 } from '@sallyport/proto';
import { withService } from '../connect.ts';
import { CommandFailed, UsageError } from '../exit.ts';
import { timeText } from '../format.ts';
import { table } from '../output.ts';
import type { CommandContext, Run } from './context.ts';

const asOption = ['--as <identity>', 'identity to act as'] as const;

export function addPolicyCommands(program: Command, run: Run): void {
  const policy = program.command('policy').description('Roles, who has them, and what they allow');
  const roles = policy.command('roles').description('List, add or remove roles');
  roles
    .command('list', { isDefault: true })
    .description('List roles with what they allow')
    .option(...asOption)
    .action(run(listRoles));
  roles
    .command('put')
    .description('Add or replace a role')
    .argument('<name>', 'role name')
    .option('--allow <action=resource...>', 'a permission, e.g. message.send=orders.*')
    .option('--inherit <role...>', 'roles whose permissions it has too')
    .option('--description <text>', 'what it is for', '')
    .option('--file <file>', 'the role as JSON instead')
    .option(...asOption)
    .action(run(putRole));
  roles
    .command('delete')
    .description('Remove a role that nobody has')
    .argument('<name>', 'role name')
    .option(...asOption)
    .action(run(deleteRole));
  policy
    .command('bindings')
    .description('List who has which role')
    .option('--principal <id>', 'only one principal')
    .option(...asOption)
    .action(run(listBindings));
  for (const [verb, says] of [
    ['bind', 'Give a principal a role'],
    ['unbind', 'Take a role from a principal'],
  ] as const) {
    policy
      .command(verb)
      .description(says)
      .argument('<principal>', 'e.g. user:alice')
      .argument('<role>', 'role name')
      .option(...asOption)
      .action(run((context, _options, principal, role) => changeBinding(context, verb, principal, role)));
  }
  policy
    .command('check')
    .description('What would be decided, and why; exit code 1 when denied')
    .argument('<principal>', 'e.g. user:alice')
    .argument('<action>', 'e.g. message.send')
    .argument('[resource]', 'e.g. echo; needed for message.send', '')
    .option(...asOption)
    .action(run(checkAccess));
  policy
    .command('status')
    .description('The revision in force and the one each gateway runs')
    .option(...asOption)
    .action(run(status));
}

const SERVICE = policyv1.PolicyService;
const NAME = 'policy-service';

async function listRoles(context: CommandContext): Promise<void> {
  const { roles } = await withService(context, SERVICE, NAME, (client) => client.listRoles({}));
  const rows = roles.map((role) => ({
    name: role.name,
    builtIn: role.builtIn,
    inherits: role.inherits,
    permissions: role.permissions.map(({ action, resource }) => ({ action, resource })),
    description: role.description,
  }));
  if (context.output.json) {
    for (const row of rows) context.output.result(row, '');
    return;
  }
  const cells = rows.map((row) => [
    row.name,
    row.builtIn ? 'yes' : 'no',
    row.inherits.join(', '),
    row.permissions.map(({ action, resource }) => `${action}=${resource}`).join(' '),
  ]);
  context.output.result({}, table(['ROLE', 'BUILT IN', 'INHERITS', 'ALLOWS'], cells));
}

type PutRoleOptions = { allow?: string[]; inherit?: string[]; description: string; file?: string };

async function putRole(context: CommandContext, options: PutRoleOptions, name = ''): Promise<void> {
  const role =
    options.file === undefined ? roleFromOptions(name, options) : await roleFromFile(name, options.file);
  const { revision } = await withService(context, SERVICE, NAME, (client) => client.putRole({ role }));
  context.output.result({ role: name, revision }, `Role ${name} is in policy revision ${revision}.`);
}

function roleFromOptions(name: string, options: PutRoleOptions) {
  const permissions = (options.allow ?? []).map((text) => {
    const at = text.indexOf('=');
    if (at < 1 || at === text.length - 1) {
      throw new UsageError(`--allow "${text}" must be action=resource, e.g. message.send=orders.*`);
    }
    return { action: text.slice(0, at), resource: text.slice(at + 1) };
  });
  return { name, permissions, inherits: options.inherit ?? [], description: options.description };
}

async function roleFromFile(name: string, file: string) {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new UsageError(`Cannot read ${file}: ${(error as Error).message}`);
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${(error as Error).message}`);
  }
  const record = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const { permissions = [], inherits = [], description = '' } = record;
  const isPermission = (item: unknown): item is { action: string; resource: string } =>
    typeof item === 'object' &&
    item !== null &&
    typeof (item as Record<string, unknown>)['action'] === 'string' &&
    typeof (item as Record<string, unknown>)['resource'] === 'string';
  if (
    !Array.isArray(permissions) ||
    !permissions.every(isPermission) ||
    !Array.isArray(inherits) ||
    !inherits.every((item) => typeof item === 'string') ||
    typeof description !== 'string'
  ) {
    throw new UsageError(
      `${file} must be {"permissions": [{"action": "…", "resource": "…"}], "inherits": ["…"], "description": "…"}.`,
    );
  }
  return { name, permissions, inherits, description };
}

async function deleteRole(context: CommandContext, _options: object, name = ''): Promise<void> {
  const { revision } = await withService(context, SERVICE, NAME, (client) => client.deleteRole({ name }));
  context.output.result({ role: name, revision }, `Role ${name} is gone since policy revision ${revision}.`);
}

async function listBindings(context: CommandContext, options: { principal?: string }): Promise<void> {
  const { bindings } = await withService(context, SERVICE, NAME, (client) =>
    client.listBindings({ principal: options.principal ?? '' }),
  );
  if (context.output.json) {
    for (const { principal, role } of bindings) context.output.result({ principal, role }, '');
    return;
  }
  const cells = bindings.map(({ principal, role }) => [principal, role]);
  context.output.result({}, table(['PRINCIPAL', 'ROLE'], cells));
}

async function changeBinding(
  context: CommandContext,
  verb: 'bind' | 'unbind',
  principal = '',
  role = '',
): Promise<void> {
  const binding = { principal, role };
  const { revision } = await withService(context, SERVICE, NAME, (client): Promise<{ revision: bigint }> =>
    verb === 'bind' ? client.putBinding({ binding }) : client.deleteBinding({ binding }),
  );
  const says = verb === 'bind' ? 'has' : 'no longer has';
  context.output.result(
    { principal, role, revision },
    `${principal} ${says} the role ${role} since policy revision ${revision}.`,
  );
}

async function checkAccess(
  context: CommandContext,
  _options: object,
  principal = '',
  action = '',
  given = '',
): Promise<void> {
  if (action === 'message.send' && given === '') {
    throw new UsageError('message.send needs a destination, e.g. policy check user:alice message.send echo');
  }
  const resource = given === '' ? 'any' : given;
  const { decision, roles } = await withService(context, SERVICE, NAME, (client) =>
    client.checkAccess({
      subject: { principal, tenant: 'default', method: 'certificate' },
      action,
      resourceKind: action === 'message.send' ? 'destination' : 'any',
      resourceName: resource,
    }),
  );
  const allowed = decision?.allowed === true;
  const value = {
    allowed,
    principal,
    action,
    resource,
    roles,
    reasons: decision?.reasons ?? [],
    requires: decision?.requires ?? [],
    revision: decision?.revision,
  };
  const lines = [
    `${allowed ? 'allow' : 'deny'}: ${principal} ${action} ${resource}`.trimEnd(),
    `roles: ${roles.join(', ') || 'none'}`,
    ...value.reasons.map((reason) => `because: ${reason}`),
    ...value.requires.map((need) => `would need: ${need}`),
    `policy revision ${value.revision}`,
  ];
  context.output.result(value, lines.join('\n'));
  if (!allowed) throw new CommandFailed('Denied.', { reason: 'denied' });
}

async function status(context: CommandContext): Promise<void> {
  const answer = await withService(context, SERVICE, NAME, (client) => client.getStatus({}));
  const instances = answer.instances.map((item) => ({
    instance: item.instance,
    revision: item.revision,
    reportedAt: timeText(item.reportedAt),
  }));
  const cells = instances.map((item) => [item.instance, String(item.revision), item.reportedAt ?? '']);
  context.output.result(
    { revision: answer.revision, builtAt: timeText(answer.builtAt), instances },
    `Policy revision ${answer.revision}, built ${timeText(answer.builtAt)}.\n${table(['INSTANCE', 'REVISION', 'REPORTED'], cells)}`,
  );
}
