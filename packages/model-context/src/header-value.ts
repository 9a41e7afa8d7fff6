/** Values of `Mcp-Name` and `Mcp-Param-*`. Source: 2026-07-28 "Streamable HTTP", "Value Encoding" (SEP-2243). */

const PREFIX = '=?base64?';
const SUFFIX = '?=';
const CANONICAL_BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** Visible ASCII, inner spaces and tabs (RFC 9110 section 5.5). */
const PLAIN = /^(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?$/;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const hasSentinel = (value: string): boolean =>
  value.length >= PREFIX.length + SUFFIX.length && value.startsWith(PREFIX) && value.endsWith(SUFFIX);

/** As it is where it is plain ASCII without outer blanks, else `=?base64?…?=` of its UTF-8, also for the empty value and for what looks encoded. Total. */
export const encodeHeaderValue = (value: string): string =>
  value !== '' && PLAIN.test(value) && !hasSentinel(value)
    ? value
    : `${PREFIX}${Buffer.from(value, 'utf8').toString('base64')}${SUFFIX}`;

/** Undefined: characters that no header value has, or a sentinel around something that is not canonical Base64 of UTF-8. */
export const decodeHeaderValue = (value: string): string | undefined => {
  const trimmed = value.replace(/^[ \t]+|[ \t]+$/g, '');
  if (!PLAIN.test(trimmed)) return undefined;
  if (!hasSentinel(trimmed)) return trimmed;
  const encoded = trimmed.slice(PREFIX.length, -SUFFIX.length);
  if (!CANONICAL_BASE64.test(encoded)) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  // Unused bits set (RFC 4648 section 3.5): two texts for one value.
  if (bytes.toString('base64') !== encoded) return undefined;
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
};
