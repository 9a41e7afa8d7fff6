/** `sallyport policy role|bind|unbind|bindings|check|status`. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { policyv1 } from '@sallyport/proto';
import { withService } from '../connect.ts';
import { CommandFailed, UsageError } from '../exit.ts';
import { oneLine, parseInteger, timeText } from '../format.ts';
import { table } from '../output.ts';
import { callOf, type ArgumentOptions } from '../policy/call-arguments.ts';
import { permissionText, roleFromJson, roleJson, type RoleInit } from '../policy/role-file.ts';
import type { CommandContext, Run } from './context.ts';

const asOption = ['--as <identity>', 'identity to act as'] as const;

export function addPolicyCommands(program: Command, run: Run): void {
  const policy = program.command('policy').description('Roles, who has them, and what they allow');
  const roles = policy.command('role').alias('roles').description('List, add or remove roles');
  roles
    .command('list', { isDefault: true })
    .description('List roles with what they allow')
    .option(...asOption)
    .action(run(listRoles));
  roles
    .command('show')
    .description('One role, as `policy role put` takes it with --json')
    .argument('<name>', 'role name')
    .option(...asOption)
    .action(run(showRole));
  roles
    .command('put')
    .description('Add or replace a role')
    .argument(
      '[role]',
      'a file with the role as JSON, "-" for standard input; with --allow or --inherit its name',
    )
    .option('--allow <action=resource...>', 'a permission, e.g. message.send=orders.*')
    .option('--inherit <role...>', 'roles whose permissions it has too')
    .option('--description <text>', 'what it is for', '')
    .option('--file <file>', 'the role as JSON')
    .option(
      '--expect-revision <n>',
      'only if the role was last stored in this revision; 0: only if there is none',
    )
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
    .argument('[resource]', 'e.g. echo, or for a tool <route>.<tool>; needed for message.send', '')
    .option('--argument <name=value...>', 'of a call; name may be a JSON pointer, value is JSON or text')
    .option('--arguments <json>', 'all arguments of a call, as a JSON object')
    .option('--any-arguments', 'could some arguments be allowed? As lists of tools are filtered')
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
  if (context.output.json) {
    for (const role of roles) context.output.result(roleJson(role), '');
    return;
  }
  const cells = roles.map((role) => [
    role.name,
    role.builtIn ? 'yes' : 'no',
    role.inherits.join(', '),
    role.permissions.map(permissionText).join(', '),
  ]);
  context.output.result({}, table(['ROLE', 'BUILT IN', 'INHERITS', 'ALLOWS'], cells));
}

async function showRole(context: CommandContext, _options: object, name = ''): Promise<void> {
  const { roles } = await withService(context, SERVICE, NAME, (client) => client.listRoles({}));
  const role = roles.find((each) => each.name === name);
  if (role === undefined) {
    throw new CommandFailed(`There is no role "${name}"; \`policy role list\` names them.`, {
      reason: 'not_found',
    });
  }
  const lines = [
    `${role.name}${role.builtIn ? ' (built in)' : `, stored in policy revision ${role.revision}`}`,
    ...(role.description === '' ? [] : [role.description]),
    `inherits: ${role.inherits.join(', ') || 'nothing'}`,
    ...role.permissions.map((permission) => `allows: ${permissionText(permission)}`),
  ];
  context.output.result(roleJson(role), lines.join('\n'));
}

type PutRoleOptions = {
  allow?: string[];
  inherit?: string[];
  description: string;
  file?: string;
  expectRevision?: string;
};

async function putRole(context: CommandContext, options: PutRoleOptions, given?: string): Promise<void> {
  const role = await roleOf(options, given);
  const expected =
    options.expectRevision === undefined
      ? {}
      : {
          expectedRevision: BigInt(
            parseInteger(options.expectRevision, 0, Number.MAX_SAFE_INTEGER, '--expect-revision'),
          ),
        };
  const { revision } = await withService(context, SERVICE, NAME, (client) =>
    client.putRole({ role, ...expected }),
  );
  const name = role.name ?? '';
  context.output.result({ role: name, revision }, `Role ${name} is in policy revision ${revision}.`);
}

/** By name and options, or from a file; both name the role. */
async function roleOf(options: PutRoleOptions, given: string | undefined): Promise<RoleInit> {
  const { allow, inherit, file } = options;
  const isWritten = allow !== undefined || inherit !== undefined;
  if (isWritten && given !== undefined && file === undefined) return roleFromOptions(given, options);
  if (isWritten || (given === undefined && file === undefined)) {
    throw new UsageError('Give a file with the role, or its name with --allow and --inherit.');
  }
  const source = file ?? given ?? '';
  const text = await readText(source === '-' ? '/dev/stdin' : source);
  return roleFromJson(
    text,
    source === '-' ? 'standard input' : source,
    file === undefined ? undefined : given,
  );
}

function readText(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: unknown) => {
    throw new UsageError(`Cannot read ${file}: ${(error as Error).message}`);
  });
}

function roleFromOptions(name: string, options: PutRoleOptions): RoleInit {
  const permissions = (options.allow ?? []).map((text) => {
    const at = text.indexOf('=');
    if (at < 1 || at === text.length - 1) {
      throw new UsageError(`--allow "${text}" must be action=resource, e.g. message.send=orders.*`);
    }
    return { action: text.slice(0, at), resource: text.slice(at + 1) };
  });
  return { name, permissions, inherits: options.inherit ?? [], description: options.description };
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
  options: ArgumentOptions,
  principal = '',
  action = '',
  given = '',
): Promise<void> {
  if (action === 'message.send' && given === '') {
    throw new UsageError('message.send needs a destination, e.g. policy check user:alice message.send echo');
  }
  const resource = given === '' ? 'any' : given;
  const call = callOf(action, options);
  const { decision, roles } = await withService(context, SERVICE, NAME, (client) =>
    client.checkAccess({
      subject: { principal, tenant: 'default', method: 'certificate' },
      action,
      resourceKind: resourceKindOf(action),
      resourceName: resource,
      call,
    }),
  );
  const allowed = decision?.allowed === true;
  const value = {
    allowed,
    principal,
    action,
    resource,
    ...(call.case === 'arguments' ? { arguments: call.value } : {}),
    roles,
    reasons: decision?.reasons ?? [],
    requires: decision?.requires ?? [],
    revision: decision?.revision,
  };
  const lines = [
    `${allowed ? 'allow' : 'deny'}: ${principal} ${action} ${resource}`.trimEnd(),
    `roles: ${roles.join(', ') || 'none'}`,
    ...value.reasons.map((reason) => `because: ${reason}`),
    ...value.requires.map((need) => `would need: ${needText(need)}`),
    `policy revision ${value.revision}`,
  ];
  context.output.result(value, lines.join('\n'));
  if (!allowed) throw new CommandFailed('Denied.', { reason: 'denied' });
}

/** As the gateway asks: behind the Model Context Protocol door a resource is a tool, a prompt, a resource or a server. */
function resourceKindOf(action: string): string {
  if (action === 'message.send') return 'destination';
  const [, kind] = /^context\.(tools|prompts|resources)\./.exec(action) ?? [];
  if (kind !== undefined) return kind.slice(0, -1);
  return action.startsWith('context.') ? 'server' : 'any';
}

function needText(need: string): string {
  if (need.startsWith('role:')) return `the role ${need.slice('role:'.length)}`;
  if (need.startsWith('argument:'))
    return `another value of the argument ${oneLine(need.slice('argument:'.length))}`;
  return need;
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
