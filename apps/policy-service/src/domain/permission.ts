/**
 * What a role lets its holder do: an action pattern on a resource pattern.
 *
 * A pattern is `*`, an exact name, or dot-separated segments followed by `.*`, which stands for one or more further
 * segments. A star anywhere else is refused rather than taken literally: it would silently grant nothing.
 */
import { accept, quoted, refuse, type Result } from './result.ts';

export type Permission = { readonly action: string; readonly resource: string };

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

export function parsePermission(input: Permission, field: string): Result<Permission> {
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
  return accept({ action: action.value, resource: resource.value });
}
