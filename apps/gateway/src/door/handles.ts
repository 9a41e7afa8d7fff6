/**
 * Handles that leave the gateway, sealed so that only who was given one can come back with it, to where it was given. They
 * are no proof of who somebody is: whoever brings one has been authenticated without it.
 *
 * AES-256-GCM under data keys that every replica can have opened (clients/data-keys.ts), random nonces, in base64url:
 *
 *     u8 1 | u8 length ‖ wrapped data key | iv 12 | ciphertext of (u32 seconds since 1970 when it ends ‖ value) ‖ tag 16
 *
 * Associated data: kind, tenant, principal, OAuth client (sessions only), route and binding. Whatever is opened, it is undefined
 * or was sealed so; what rejects is that key-service cannot be asked.
 */
import { AES_256_GCM, aead, randomBytes, utf8 } from '@sallyport/crypto';
import type { keyv1 } from '@sallyport/proto';
import type { ServiceCalls } from '@sallyport/service/grpc';
import { dataKeys } from '../clients/data-keys.ts';
import type { HandleKind, Handles, HandleScope } from './ports.ts';
import { strangeKeys } from './strange-keys.ts';

export type HandlePorts = {
  readonly keys: Pick<ServiceCalls<typeof keyv1.KeyService>, 'generateDataKey' | 'decrypt'>;
  readonly now: () => number;
  readonly monotonic: () => number;
};

const HOUR_MS = 3_600_000;
export const HANDLE_LIFETIME_MS = {
  session: 24 * HOUR_MS,
  cursor: HOUR_MS,
  event: HOUR_MS,
  request: HOUR_MS,
  request_state: HOUR_MS,
  task: 7 * 24 * HOUR_MS,
} as const satisfies Record<HandleKind, number>;

/** The next key is there before the old one is needed no more; without key-service the old one seals another hour. */
const DATA_KEY = {
  name: 'gateway/handle',
  aad: utf8('sallyport1 handle'),
  freshMs: HOUR_MS,
  lifeMs: 2 * HOUR_MS,
  // NIST SP 800-38D section 8.3 allows 2^32 random nonces under one key.
  maxSeals: 2 ** 30,
} as const;
const LAYOUT = 1;
const HEADER_BYTES = 2;
const END_BYTES = 4;
const MAX_SEALED_LENGTH = 1024 * 1024;
/** Sessions that were opened lately, since their handles come with each message; longer handles are opened each time. */
const OPENED = { max: 4_096, maxLength: 1_024 } as const;
const BASE64URL = /^[A-Za-z0-9_-]+$/u;

type Opened = { readonly value: string; readonly notAfterMs: number };

/**
 * Sealing rejects with `SallyportError` (`unavailable`) while there is no data key, opening while nobody can say whether a
 * handle is good. Handles that were sealed or opened here lately need nobody.
 */
export function sealedHandles({ keys, now, monotonic }: HandlePorts): Handles & {
  /** Has the first key fetched, so that no message waits for it. Rejects when key-service is away. */
  warm(): Promise<void>;
} {
  const row = aead(AES_256_GCM);
  const own = dataKeys(keys, DATA_KEY, monotonic);
  const openNamed = strangeKeys(own, monotonic);
  const opened = new Map<string, Opened>();

  /** Whatever its end. */
  async function unsealed(
    { sealed, caller }: HandleScope & { readonly sealed: string },
    aad: string,
  ): Promise<Opened | undefined> {
    const bytes = bytesOf(sealed);
    if (bytes === undefined || bytes.length < HEADER_BYTES || bytes[0] !== LAYOUT) return undefined;
    const wrappedEnd = HEADER_BYTES + (bytes[1] ?? 0);
    const ivEnd = wrappedEnd + AES_256_GCM.ivLength;
    if (bytes.length < ivEnd) return undefined;
    const wrapped = bytes.subarray(HEADER_BYTES, wrappedEnd);
    const key = await openNamed(caller.principal, wrapped);
    if (key === undefined) return undefined;
    const iv = bytes.subarray(wrappedEnd, ivEnd);
    const plain = row.open({ key, iv, aad: utf8(aad), sealed: bytes.subarray(ivEnd) });
    if (plain === undefined || plain.length < END_BYTES) return undefined;
    const plaintext = Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
    return { value: plaintext.toString('utf8', END_BYTES), notAfterMs: plaintext.readUInt32BE(0) * 1_000 };
  }

  /** The one used last is the last to go. */
  function remember(name: string, found: Opened): void {
    opened.delete(name);
    opened.set(name, found);
    for (const oldest of opened.keys()) {
      if (opened.size <= OPENED.max) break;
      opened.delete(oldest);
    }
  }

  return {
    async warm() {
      await own.sealing();
    },

    async seal(handle) {
      const { key, wrapped } = await own.sealing();
      if (wrapped.length > 0xff) throw new RangeError('a wrapped data key has at most 255 bytes here');
      const value = Buffer.from(handle.value, 'utf8');
      const plaintext = Buffer.allocUnsafe(END_BYTES + value.length);
      plaintext.writeUInt32BE(Math.ceil((now() + HANDLE_LIFETIME_MS[handle.kind]) / 1_000));
      plaintext.set(value, END_BYTES);
      const iv = randomBytes(AES_256_GCM.ivLength);
      const sealed = row.seal({ key, iv, aad: utf8(aadOf(handle)), plaintext });
      return Buffer.concat([Uint8Array.of(LAYOUT, wrapped.length), wrapped, iv, sealed]).toString(
        'base64url',
      );
    },

    async open(handle) {
      const aad = aadOf(handle);
      const name = `${aad}\0${handle.sealed}`;
      const found = opened.get(name) ?? (await unsealed(handle, aad));
      if (found === undefined || now() >= found.notAfterMs) return undefined;
      if (handle.kind === 'session' && name.length <= OPENED.maxLength) remember(name, found);
      return found.value;
    },
  };
}

/** One spelling for each handle: what decodes to the same bytes and is written otherwise is refused. */
function bytesOf(sealed: string): Buffer | undefined {
  if (sealed.length > MAX_SEALED_LENGTH || !BASE64URL.test(sealed)) return undefined;
  const bytes = Buffer.from(sealed, 'base64url');
  return bytes.toString('base64url') === sealed ? bytes : undefined;
}

/** JSON, so that no choice of names makes two scopes look alike. */
function aadOf({ kind, caller, route, binding = '' }: HandleScope): string {
  const { tenant, id } = caller.principal;
  const client = kind === 'session' ? caller.clientId : '';
  return `sallyport1 handle\0${JSON.stringify([kind, tenant, id, client, route, binding])}`;
}
