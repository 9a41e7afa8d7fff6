/** Subjects and patterns as in NATS (https://docs.nats.io/nats-concepts/subjects). */
import { BusError } from './error.ts';

const maxLength = 255;
const token = /^[A-Za-z0-9_-]+$/;

/** Tokens of a subject to publish on: no wildcards. Throws `BusError` (`invalid`). */
export function parseSubject(subject: string): readonly string[] {
  const tokens = subject.split('.');
  if (subject.length > maxLength || !tokens.every((part) => token.test(part))) {
    throw new BusError('invalid', `subject ${JSON.stringify(subject.slice(0, maxLength))} is not valid`);
  }
  return tokens;
}

/** Tokens of a pattern: `*` stands for one token, a final `>` for one or more. Throws `BusError` (`invalid`). */
export function parsePattern(pattern: string): readonly string[] {
  const tokens = pattern.split('.');
  const valid = tokens.every(
    (part, index) => token.test(part) || part === '*' || (part === '>' && index === tokens.length - 1),
  );
  if (pattern.length > maxLength || !valid) {
    throw new BusError(
      'invalid',
      `subject pattern ${JSON.stringify(pattern.slice(0, maxLength))} is not valid`,
    );
  }
  return tokens;
}

export function subjectMatches(pattern: readonly string[], subject: readonly string[]): boolean {
  for (const [index, part] of pattern.entries()) {
    if (part === '>') return subject.length > index;
    const given = subject[index];
    if (given === undefined || (part !== '*' && part !== given)) return false;
  }
  return pattern.length === subject.length;
}
