/** What may be sent and what came back: JSON is checked before it leaves, and shown as it is when it comes. */

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** RFC 6838 section 4.2.8: `+json` names the JSON structured syntax. */
export function isJsonType(contentType: string): boolean {
  const [type = ''] = contentType.toLowerCase().split(';', 1);
  return type.trim() === 'application/json' || type.trim().endsWith('+json');
}

/** What is wrong with `bytes` as JSON text (RFC 8259), or undefined. */
export function jsonProblem(bytes: Uint8Array): string | undefined {
  try {
    JSON.parse(UTF8.decode(bytes));
    return undefined;
  } catch (error) {
    return error instanceof SyntaxError ? error.message : 'it is not UTF-8';
  }
}

/** A response as a JSON value: parsed where it is JSON, else base64. */
export function responseValue(contentType: string, body: Uint8Array): unknown {
  if (isJsonType(contentType) && jsonProblem(body) === undefined) {
    return JSON.parse(UTF8.decode(body)) as unknown;
  }
  return Buffer.from(body).toString('base64');
}

/** A response for a person's eyes: JSON indented, other text as it is; undefined where it is neither. */
export function responseText(contentType: string, body: Uint8Array): string | undefined {
  try {
    const text = UTF8.decode(body);
    if (!isJsonType(contentType)) return text;
    const value = JSON.parse(text) as unknown;
    // Only where nothing changes but white space: a number with more digits than a double has is shown as it came.
    return JSON.stringify(value) === text.trim() ? JSON.stringify(value, undefined, 2) : text;
  } catch {
    return undefined;
  }
}
