/** Turning what services answer into what people read. */
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { UsageError } from './exit.ts';

/** RFC 3339 in UTC, or undefined where the field is absent. */
export function timeText(time: Timestamp | undefined): string | undefined {
  return time === undefined ? undefined : timestampDate(time).toISOString();
}

/** The name of an enum value in lower case with blanks, e.g. "pre active". */
export function enumLabel(names: Readonly<Record<string, string | number>>, value: number): string {
  const name = Object.entries(names).find(([, number]) => number === value)?.[0];
  return (name ?? `unknown ${value}`).toLowerCase().replaceAll('_', ' ');
}

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A time as people give it: "5m", "2h", "1d" before `nowMs`, or RFC 3339. Throws `UsageError`. */
export function parseTime(text: string, nowMs: number): Date {
  const relative = /^(\d{1,6})([smhd])$/.exec(text);
  if (relative !== null) {
    const unit = UNIT_MS[relative[2] as keyof typeof UNIT_MS];
    return new Date(nowMs - Number(relative[1]) * unit);
  }
  const absolute = /^\d{4}-\d\d-\d\d/.test(text) ? new Date(text) : undefined;
  if (absolute !== undefined && !Number.isNaN(absolute.getTime())) return absolute;
  throw new UsageError(
    `"${text}" is not a time. Give an age such as 30s, 5m, 2h or 1d, or a date such as 2026-01-31T12:00:00Z.`,
  );
}

/** Hex of exactly `bytes` bytes. Throws `UsageError` naming `what`. */
export function parseHex(text: string, bytes: number, what: string): Uint8Array {
  if (!/^[0-9a-f]*$/i.test(text) || text.length !== bytes * 2) {
    throw new UsageError(`"${text}" is not a ${what}: it must be ${bytes * 2} hexadecimal digits.`);
  }
  return Uint8Array.from(Buffer.from(text, 'hex'));
}

/** A whole number in a range, from an option. Throws `UsageError` naming `what`. */
export function parseInteger(text: string, minimum: number, maximum: number, what: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < minimum || value > maximum) {
    throw new UsageError(`${what} is "${text}"; it must be a whole number from ${minimum} to ${maximum}.`);
  }
  return value;
}

// Control, format and line-separator characters, lone surrogates: what would move the cursor, hide or reorder text.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** A name that somebody else chose, fit for a terminal: one line, what is not printable as `\u{…}`. */
export function oneLine(text: string): string {
  return text.replaceAll(UNPRINTABLE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

/** One word of a POSIX shell (IEEE 1003.1 section 2.2.2). */
export const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
