/**
 * The string preparation of RFC 4518 as RFC 5280 section 7.1 clarifies it: case folding in the mapping, and white space
 * compressed. Tables of Unicode are those of the runtime, newer than the RFC's 3.2.
 */

const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;

/** Undefined when the text has a code point that RFC 4518 section 2.4 prohibits: such a value equals only its own octets. */
export function prepare(text: string): string | undefined {
  if (PRINTABLE_ASCII.test(text)) return compressSpace(text.toLowerCase());
  const mapped = map(text);
  // Before normalising, which may make 18 code points of one: it neither brings nor removes any that is prohibited.
  if (PROHIBITED.test(mapped)) return undefined;
  // Folding and normalising twice: a compatibility decomposition may bring upper case (RFC 3454 appendix B.2).
  const folded = fold(mapped).normalize('NFKC');
  return compressSpace(fold(folded).normalize('NFKC'));
}

// RFC 4518 section 2.2, in its order: what becomes a space, and what becomes nothing.
// oxlint-disable-next-line no-control-regex -- the RFC names these control characters
const TO_SPACE = /[\u0009-\u000d\u0085\p{Z}]/gu;
const TO_NOTHING =
  // oxlint-disable-next-line no-misleading-character-class -- each is a code point of its own, marks among them
  /[\u00ad\u034f\u1806\u180b-\u180e\ufe00-\ufe0f\ufffc\p{Cc}\u06dd\u070f\u200b-\u200f\u202a-\u202e\u2060-\u2063\u206a-\u206f\ufeff\ufff9-\ufffb\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}]/gu;

function map(text: string): string {
  return text.replaceAll(TO_SPACE, ' ').replaceAll(TO_NOTHING, '');
}

/** Section 2.4: unassigned, private use, surrogates, non-characters, the replacement character. */
const PROHIBITED = /[\p{Cn}\p{Co}\p{Cs}\ufffd]/u;

/** Case folding without regard to context: the sigma at the end of a word, which lower case brings, is any other sigma. */
function fold(text: string): string {
  // The dotless i folds to itself: its upper case is that of another letter.
  return text
    .split('\u0131')
    .map((part) => part.toLowerCase().toUpperCase().toLowerCase().replaceAll('\u03c2', '\u03c3'))
    .join('\u0131');
}

/** Section 2.6.1: spaces outside are insignificant, and several inside are one. A space that bears a mark is a letter. */
function compressSpace(text: string): string {
  if (!text.includes(' ')) return text;
  return text
    .replaceAll(/ +(?!\p{M})/gu, ' ')
    .replace(/^ (?!\p{M})/u, '')
    .replace(/ $/u, '');
}
