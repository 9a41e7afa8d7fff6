/** ClientHello, frame 0x01: what the client offers (docs/protocol.md section 4.1). */
import { concatBytes } from '@sallyport/crypto';
import { failure, type Failure, type ShapeCause } from './causes.ts';
import { HELLO_NONCE_LENGTH, METHOD, PSK_ID_LENGTH } from './constants.ts';
import { skipExtensions } from './extensions.ts';
import { lp8, lp16, Reader, u16, u64, u8 } from './wire.ts';

const MAX_OFFERS = 8;
const MAX_EXTENSION_BYTES = 1024;

export interface KexShare {
  readonly id: number;
  readonly share: Uint8Array;
}

/** Numbers are those of the wire: what they mean is decided where a suite is chosen. Lists keep their order. */
export interface ClientHello {
  readonly versions: readonly number[];
  readonly kex: readonly KexShare[];
  readonly aead: readonly number[];
  readonly signature: readonly number[];
  readonly channelBindings: readonly number[];
  readonly method: number;
  /** 16 bytes exactly when the method is psk. */
  readonly pskId: Uint8Array | undefined;
  readonly nonce: Uint8Array;
  /** The client's clock, milliseconds since the Unix epoch. Advice: no decision rests on it. */
  readonly timeMs: number;
}

export function encodeClientHello(hello: ClientHello): Uint8Array {
  return concatBytes(
    lp8(Uint8Array.from(hello.versions)),
    u8(hello.kex.length),
    ...hello.kex.flatMap(({ id, share }) => [u16(id), lp16(share)]),
    u8(hello.aead.length),
    ...hello.aead.map(u16),
    u8(hello.signature.length),
    ...hello.signature.map(u16),
    lp8(Uint8Array.from(hello.channelBindings)),
    u8(hello.method),
    lp8(hello.pskId ?? new Uint8Array(0)),
    hello.nonce,
    u64(hello.timeMs),
    lp16(new Uint8Array(0)),
  );
}

/** Total. Every list has 1 to 8 different entries; an unknown number in a list is not an error. */
export function parseClientHello(body: Uint8Array): ({ ok: true } & ClientHello) | Failure<ShapeCause> {
  const reader = new Reader(body);
  const versions = [...reader.lp8()];
  const kex = list(reader, () => ({ id: reader.u16(), share: reader.lp16() }));
  const aead = list(reader, () => reader.u16());
  const signature = list(reader, () => reader.u16());
  const channelBindings = [...reader.lp8()];
  const method = reader.u8();
  const pskId = reader.lp8();
  const nonce = reader.bytes(HELLO_NONCE_LENGTH);
  const timeMs = reader.u64();
  skipExtensions(reader, MAX_EXTENSION_BYTES);
  const lists = [versions, kex.map(({ id }) => id), aead, signature, channelBindings];
  if (reader.cause === undefined && !lists.every(isSet)) reader.fail('bad_count');
  if (pskId.length !== (method === METHOD.psk ? PSK_ID_LENGTH : 0)) reader.fail('bad_field');
  const cause = reader.end();
  if (cause !== undefined) return failure(cause);
  return {
    ok: true,
    versions,
    kex,
    aead,
    signature,
    channelBindings,
    method,
    pskId: pskId.length === 0 ? undefined : pskId,
    nonce,
    timeMs,
  };
}

function list<Item>(reader: Reader, read: () => Item): Item[] {
  const count = reader.u8();
  if (count > MAX_OFFERS) reader.fail('bad_count');
  const items: Item[] = [];
  for (let at = 0; at < count && reader.cause === undefined; at += 1) items.push(read());
  return items;
}

function isSet(values: readonly number[]): boolean {
  return values.length >= 1 && values.length <= MAX_OFFERS && new Set(values).size === values.length;
}
