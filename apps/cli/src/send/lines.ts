/** Lines of a byte stream, one at a time and in bounded memory. A line that is too long is told and skipped, not kept. */

export type Line =
  | { readonly kind: 'line'; readonly number: number; readonly bytes: Uint8Array }
  | { readonly kind: 'too_long'; readonly number: number };

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const;

/** Lines end with LF or CRLF, which are not part of them; the last one need not. Blank lines count but are passed over. */
export async function* readLines(
  source: AsyncIterable<Uint8Array>,
  maxLineBytes: number,
): AsyncGenerator<Line, void, void> {
  let number = 0;
  let parts: Uint8Array[] = [];
  let length = 0;

  function finish(): Line | undefined {
    number += 1;
    const line = lineOf(number, parts, length, maxLineBytes);
    parts = [];
    length = 0;
    return line;
  }
  function keep(part: Uint8Array): void {
    length += part.length;
    // CR and mark are allowed for; what is longer will not be used, so it is not kept.
    if (length <= maxLineBytes + BYTE_ORDER_MARK.length + 1) parts.push(part);
    else parts = [];
  }

  for await (const chunk of source) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      keep(chunk.subarray(from, at));
      from = at + 1;
      const line = finish();
      if (line !== undefined) yield line;
    }
    if (from < chunk.length) keep(chunk.subarray(from));
  }
  const last = length > 0 ? finish() : undefined;
  if (last !== undefined) yield last;
}

function lineOf(
  number: number,
  parts: readonly Uint8Array[],
  length: number,
  maxBytes: number,
): Line | undefined {
  if (length > maxBytes && parts.length === 0) return { kind: 'too_long', number };
  // A copy: what waits to be sent must not hold on to the whole chunk it came in.
  let bytes: Uint8Array = Uint8Array.from(Buffer.concat(parts));
  if (number === 1 && BYTE_ORDER_MARK.every((byte, at) => bytes[at] === byte)) {
    bytes = bytes.subarray(BYTE_ORDER_MARK.length);
  }
  if (bytes.at(-1) === CARRIAGE_RETURN) bytes = bytes.subarray(0, -1);
  if (bytes.length > maxBytes) return { kind: 'too_long', number };
  return bytes.every((byte) => byte === 0x20 || byte === 0x09) ? undefined : { kind: 'line', number, bytes };
}
