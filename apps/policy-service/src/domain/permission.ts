/**
 * What a role lets its holder do: an action pattern on a resource pattern.
 *
 * A pattern is `*`, an exact name, or dot-separated segments followed by `.*`, which stands for one or more further
 * segments. A star anywhere else is refused rather than taken literally: it would silently grant nothing.
 */
import { parseCondition, type Condition } from './condition.ts';
import { limits } from './limits.ts';
import { accept, all, quoted, refuse, type Result } from './result.ts';

export type Permission = {
  readonly action: string;
  readonly resource: string;
  /** Only for calls whose arguments meet all of these. Absent: for everything; never empty. */
  readonly when?: readonly Condition[];
};

/** A permission as a caller writes it. */
export type PermissionInput = Omit<Permission, 'when'> & { readonly when?: readonly unknown[] };

/** `message.send`: each segment begins with a letter. */
const actionPattern = /^[a-z][a-z0-9-]*(?:\.[a-z][a-z0-9-]*)*(?:\.\*)?$/;
/** Visible ASCII in dot-separated segments, without a star: `orders.eu`, `auth/psk`. */
const resourcePattern = /^[!-)+\-/-~]+(?:\.[!-)+\-/-~]+)*(?:\.\*)?$/;
/** What a bundle may carry (packages/policy-engine). */
const maxPatternChars = 200;

function parsePattern(
  text: string,
  pattern: RegExp,
  what: string,
  example: string,
  field: string,
): Result<string> {
  if (text === '*' || (text.length <= maxPatternChars && pattern.test(text))) return accept(text);
  return refuse(
    'malformed',
    field,
    `${quoted(text)} is not ${what}: write "*", an exact name such as ${example}, or a prefix that ends in ".*", at most ${maxPatternChars} characters.`,
  );
}

export function parsePermission(input: PermissionInput, field: string): Result<Permission> {
  const action = parsePattern(
    input.action,
    actionPattern,
    'an action pattern',
    '"message.send"',
    `${field}.action`,
  );
  if (!action.ok) return action;
  const resource = parsePattern(
    input.resource,
    resourcePattern,
    'a resource pattern',
    '"orders.eu"',
    `${field}.resource`,
  );
  if (!resource.ok) return resource;
  const { when = [] } = input;
  if (when.length > limits.conditionsPerPermission) {
    const message = `A permission has at most ${limits.conditionsPerPermission} conditions; this one has ${when.length}.`;
    return refuse('too-large', `${field}.when`, message);
  }
  const conditions = all(when, (condition, i) => parseCondition(condition, `${field}.when[${i}]`));
  if (!conditions.ok) return conditions;
  return accept({
    action: action.value,
    resource: resource.value,
    ...(conditions.value.length === 0 ? {} : { when: conditions.value }),
  });
}
