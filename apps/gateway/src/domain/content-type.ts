/** A content type as the channel carries it: printable ASCII, at most 255 bytes. */

const FALLBACK = 'application/octet-stream';

/** What an upstream calls its answer, or the neutral type where that cannot be carried. */
export function carriedContentType(text: string): string {
  return text.length <= 255 && /^[\x20-\x7e]*$/u.test(text) ? text : FALLBACK;
}
