/** A role as people write it, in JSON: what `policy role show --json` prints, `policy role put` takes. */
import { fromJson, type JsonValue, type MessageInitShape } from '@bufbuild/protobuf';
import { ListValueSchema, ValueSchema } from '@bufbuild/protobuf/wkt';
import { conditionJson, type policyv1 } from '@sallyport/proto';
import { UsageError } from '../exit.ts';

export type RoleInit = MessageInitShape<typeof policyv1.RoleSchema>;
type PermissionInit = MessageInitShape<typeof policyv1.PermissionSchema>;
type ConditionInit = MessageInitShape<typeof policyv1.ConditionSchema>;

const SHAPE =
  '{"name": "…", "permissions": [{"action": "…", "resource": "…", "when": [{"argument": "/…", "equals": …}]}], "inherits": ["…"], "description": "…"}';
const OPERATORS = 'equals, one_of, at_most, at_least, starts_with, within, absent';

/** `where` names the file in errors. `name` is that of the command line. Throws `UsageError`. */
export function roleFromJson(text: string, where: string, name: string | undefined): RoleInit {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${where} is not JSON: ${(error as Error).message}`);
  }
  const role = members(value, where, [
    'name',
    'permissions',
    'inherits',
    'description',
    // What `show` prints beside it, and the service says by itself.
    'builtIn',
    'revision',
  ]);
  const { permissions = [], inherits = [], description = '', name: written = name } = role;
  if (typeof written !== 'string' || (name !== undefined && name !== written)) {
    throw new UsageError(
      name === undefined
        ? `${where} names no role: it must be ${SHAPE}.`
        : `${where} is about the role ${JSON.stringify(written)}, the command line about "${name}".`,
    );
  }
  if (
    !Array.isArray(permissions) ||
    !Array.isArray(inherits) ||
    !inherits.every((item): item is string => typeof item === 'string') ||
    typeof description !== 'string'
  ) {
    throw new UsageError(`${where} must be ${SHAPE}.`);
  }
  return {
    name: written,
    inherits,
    description,
    permissions: permissions.map((item, i) => permission(item, `${where}: permissions[${i}]`)),
  };
}

function permission(value: unknown, where: string): PermissionInit {
  const { action, resource, when = [] } = members(value, where, ['action', 'resource', 'when']);
  if (typeof action !== 'string' || typeof resource !== 'string' || !Array.isArray(when)) {
    throw new UsageError(
      `${where} must be {"action": "…", "resource": "…"}, with "when": [conditions] if any.`,
    );
  }
  return { action, resource, when: when.map((item, i) => condition(item, `${where}.when[${i}]`)) };
}

function condition(value: unknown, where: string): ConditionInit {
  const { argument, ...rest } = members(value, where);
  const [operator, operand] = Object.entries(rest)[0] ?? [];
  const wrong = new UsageError(`${where} must have an "argument", a JSON pointer, and one of ${OPERATORS}.`);
  if (typeof argument !== 'string' || Object.keys(rest).length !== 1) throw wrong;
  switch (operator) {
    case 'equals':
      return { argument, operator: { case: 'equals', value: fromJson(ValueSchema, operand as JsonValue) } };
    case 'one_of':
      if (!Array.isArray(operand)) break;
      return {
        argument,
        operator: { case: 'oneOf', value: fromJson(ListValueSchema, operand as JsonValue) },
      };
    case 'at_most':
    case 'at_least':
      if (typeof operand !== 'number') break;
      return { argument, operator: { case: operator === 'at_most' ? 'atMost' : 'atLeast', value: operand } };
    case 'starts_with':
    case 'within':
      if (typeof operand !== 'string') break;
      return {
        argument,
        operator: { case: operator === 'within' ? 'within' : 'startsWith', value: operand },
      };
    case 'absent':
      if (operand !== true) break;
      return { argument, operator: { case: 'absent', value: true } };
    default:
      throw wrong;
  }
  throw new UsageError(`${where}: "${operator}" has an operand of the wrong type.`);
}

function members(
  value: unknown,
  where: string,
  known?: readonly string[],
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`${where} must be a JSON object.`);
  }
  const unknown = known && Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new UsageError(`${where} has "${unknown}", which no role has.`);
  return value as Readonly<Record<string, unknown>>;
}

/** A role as `--json` prints it. */
export function roleJson(role: policyv1.Role) {
  return {
    name: role.name,
    builtIn: role.builtIn,
    revision: role.revision,
    inherits: role.inherits,
    permissions: role.permissions.map(({ action, resource, when }) => ({
      action,
      resource,
      ...(when.length === 0 ? {} : { when: when.map(conditionJson) }),
    })),
    description: role.description,
  };
}

/** `message.send=echo`, with its conditions: `context.tools.call=bank.pay if /amount at_most 100`. */
export function permissionText({ action, resource, when }: policyv1.Permission): string {
  const conditions = when.map(conditionJson).map(({ argument, ...rest }) => {
    const [operator = '', operand] = Object.entries(rest)[0] ?? [];
    return operator === 'absent'
      ? `${argument} absent`
      : `${argument} ${operator} ${JSON.stringify(operand)}`;
  });
  return `${action}=${resource}${conditions.length === 0 ? '' : ` if ${conditions.join(' and ')}`}`;
}
