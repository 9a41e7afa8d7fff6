/** Text that people and gateways send, bounded before it is stored, logged or put on the bus. */
import { MAX_TEXT_CHARACTERS } from './limits.ts';

/** One line of visible text and spaces, at most 128 characters; `fallback` for nothing; undefined for anything else. */
export function parseLine(text: string, fallback = ''): string | undefined {
  if (text === '') return fallback;
  if (text.length > MAX_TEXT_CHARACTERS || !text.isWellFormed() || /[\p{C}\p{Zl}\p{Zp}]/u.test(text))
    return undefined;
  return text;
}

/** A word for machines: `superseded`, `carrier_lost`. */
export function parseCauseWord(text: string, fallback: string): string | undefined {
  if (text === '') return fallback;
  return /^[a-z0-9_.-]{1,64}$/u.test(text) ? text : undefined;
}
