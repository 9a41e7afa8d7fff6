/**
 * What one argument of a call must be, for a permission to hold. What is accepted here, the policy module knows
 * (policies/src/conditions.rego): a condition that could never hold is refused rather than stored.
 */
import { isArgumentPointer } from '@sallyport/policy-engine';
import { accept, quoted, refuse, type Result } from './result.ts';

export type Scalar = string | number | boolean | null;

/** `argument` is a JSON pointer (RFC 6901). */
export type Condition = { readonly argument: string } & (
  | { readonly equals: Scalar }
  | { readonly one_of: readonly Scalar[] }
  | { readonly at_most: number }
  | { readonly at_least: number }
  | { readonly starts_with: string }
  | { readonly within: string }
  | { readonly absent: true }
);

const maxTextChars = 255;
const maxAllowed = 64;
const operators = ['equals', 'one_of', 'at_most', 'at_least', 'starts_with', 'within', 'absent'] as const;

/** Total: `input` may be anything. */
export function parseCondition(input: unknown, field: string): Result<Condition> {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    return refuse('malformed', field, 'A condition is an object with "argument" and one operator.');
  }
  const { argument, ...rest } = input as Readonly<Record<string, unknown>>;
  if (!isArgumentPointer(argument) || unprintable.test(argument)) {
    return refuse(
      'malformed',
      `${field}.argument`,
      `${quoted(String(argument))} is no argument: write a JSON pointer such as "/amount" or "/to/iban".`,
    );
  }
  const given = Object.entries(rest);
  const [operator, operand] = given[0] ?? [];
  if (given.length !== 1 || operator === undefined || !isOperator(operator)) {
    return refuse('malformed', field, `A condition has exactly one of ${operators.join(', ')}.`);
  }
  const wanted = misfit(operator, operand);
  if (wanted !== undefined) return refuse('malformed', `${field}.${operator}`, wanted);
  return accept({ argument, [operator]: operand } as Condition);
}

const isOperator = (text: string): text is (typeof operators)[number] =>
  operators.some((known) => known === text);

/** What the operand must be; undefined when it is. */
function misfit(operator: (typeof operators)[number], operand: unknown): string | undefined {
  switch (operator) {
    case 'equals':
      return isScalar(operand)
        ? undefined
        : `Write a string of at most ${maxTextChars} characters, a number, true, false or null; integers within ±(2^53 − 1).`;
    case 'one_of':
      return Array.isArray(operand) &&
        operand.length > 0 &&
        operand.length <= maxAllowed &&
        operand.every(isScalar)
        ? undefined
        : `Write a list of 1 to ${maxAllowed} strings, numbers, booleans or nulls, each as for "equals".`;
    case 'at_most':
    case 'at_least':
      return Number.isFinite(operand) ? undefined : 'Write a number.';
    case 'starts_with':
      return isText(operand) && operand !== ''
        ? undefined
        : `Write 1 to ${maxTextChars} characters. For paths use "within".`;
    case 'within':
      return isText(operand) && folder.test(operand)
        ? undefined
        : 'Write the absolute path of a folder such as "/srv/data", without ".", "..", an empty segment, a slash at the end or a backslash.';
    case 'absent':
      return operand === true ? undefined : 'Write true, or leave the condition out.';
  }
}

// Absolute, in normal form.
const folder = /^(?:\/|(?:\/(?!\.{1,2}(?:\/|$))[^/\\]+)+)$/u;

function isScalar(value: unknown): value is Scalar {
  if (typeof value === 'number') {
    // No value beyond is the same number to every reader, so none is let through.
    return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
  }
  return value === null || typeof value === 'boolean' || isText(value);
}

const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= maxTextChars && value.isWellFormed() && !value.includes('\0');

const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
