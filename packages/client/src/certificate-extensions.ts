/**
 * The extensions of a certificate, read from its DER (RFC 5280 section 4.1): `node:crypto` shows some of them and never
 * says which are critical. Only what stands before them is walked over; signatures and names stay OpenSSL's work.
 */
export type Extension = { readonly isCritical: boolean; readonly value: Uint8Array };

type Element = { readonly tag: number; readonly body: Uint8Array; readonly rest: Uint8Array };

const TAG = {
  boolean: 0x01,
  octetString: 0x04,
  oid: 0x06,
  sequence: 0x30,
  explicit3: 0xa3,
  uri: 0x86,
} as const;

/** By object identifier, in hex of its DER body. Undefined for bytes that are no certificate, or name one twice. */
export function extensionsOf(der: Uint8Array): ReadonlyMap<string, Extension> | undefined {
  const outer = readElement(der);
  const tbs = outer?.tag === TAG.sequence && outer.rest.length === 0 ? readElement(outer.body) : undefined;
  if (tbs?.tag !== TAG.sequence) return undefined;
  const fields = elementsOf(tbs.body);
  const wrapped = fields?.find(({ tag }) => tag === TAG.explicit3);
  if (fields === undefined) return undefined;
  if (wrapped === undefined) return new Map();
  const list = readElement(wrapped.body);
  const entries = list?.tag === TAG.sequence && list.rest.length === 0 ? elementsOf(list.body) : undefined;
  if (entries === undefined) return undefined;
  const extensions = new Map<string, Extension>();
  for (const entry of entries) {
    const extension = entry.tag === TAG.sequence ? readExtension(entry.body) : undefined;
    // RFC 5280 section 4.2: never more than one instance of an extension.
    if (extension === undefined || extensions.has(extension.id)) return undefined;
    extensions.set(extension.id, extension);
  }
  return extensions;
}

/** The URI names of a SubjectAltName value; undefined where it is none (RFC 5280 section 4.2.1.6). */
export function uriNamesOf(value: Uint8Array): readonly string[] | undefined {
  const list = readElement(value);
  const names = list?.tag === TAG.sequence && list.rest.length === 0 ? elementsOf(list.body) : undefined;
  return names?.filter(({ tag }) => tag === TAG.uri).map(({ body }) => Buffer.from(body).toString('latin1'));
}

function readExtension(body: Uint8Array): ({ readonly id: string } & Extension) | undefined {
  const [oid, ...others] = elementsOf(body) ?? [];
  const value = others.at(-1);
  if (oid?.tag !== TAG.oid || value?.tag !== TAG.octetString || others.length > 2) return undefined;
  const critical = others.length === 2 ? others[0] : undefined;
  // DER leaves a default out, so the boolean is there to say true (X.690 section 11.5); anything else is as strict.
  if (critical !== undefined && critical.tag !== TAG.boolean) return undefined;
  return { id: Buffer.from(oid.body).toString('hex'), isCritical: critical !== undefined, value: value.body };
}

function elementsOf(bytes: Uint8Array): readonly Element[] | undefined {
  const elements: Element[] = [];
  for (let rest = bytes; rest.length > 0;) {
    const element = readElement(rest);
    if (element === undefined) return undefined;
    elements.push(element);
    rest = element.rest;
  }
  return elements;
}

/** X.690 sections 8.1.2 and 10.1: single-byte tags, definite lengths of at most four bytes. Total. */
function readElement(bytes: Uint8Array): Element | undefined {
  const [tag, first] = bytes;
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) return undefined;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (first === 0x80 || lengthBytes > 4 || bytes.length < 2 + lengthBytes) return undefined;
  let length = first < 0x80 ? first : 0;
  for (const byte of bytes.subarray(2, 2 + lengthBytes)) length = length * 256 + byte;
  const start = 2 + lengthBytes;
  if (bytes.length - start < length) return undefined;
  return { tag, body: bytes.subarray(start, start + length), rest: bytes.subarray(start + length) };
}
