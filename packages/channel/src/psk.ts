/**
 * Pre-shared keys in the handshake (docs/protocol.md section 6.3). auth-service holds them: it proves for the gateway,
 * verifies what clients prove and never proves for a client.
 *
 * A key is 32 random bytes made by the system. The gateway proves first, so anything guessable would be an offline
 * dictionary (RFC 9257 section 4). Its derived key names one client and one trust domain: used elsewhere it is
 * another key.
 */
import type { KeyObject } from 'node:crypto';
import { concatBytes, constantTimeEqual, hkdfExtract, hmacSha256, utf8 } from '@sallyport/crypto';
import { PSK_ID_LENGTH } from './constants.ts';
import { expandLabel, expandToKey } from './key-schedule.ts';
import { lp } from './wire.ts';

const EMPTY = new Uint8Array(0);
export const PSK_LENGTH = 32;
/** Together with the id and two length prefixes they fit the 255 bytes of a label's context. */
const MAX_CLIENT_BYTES = 96;
const MAX_TRUST_DOMAIN_BYTES = 128;

export interface PskIdentity {
  /** 32 bytes. */
  readonly psk: Uint8Array;
  /** 16 bytes. */
  readonly pskId: Uint8Array;
  /** The principal it belongs to, such as `workload:batch`. */
  readonly client: string;
  readonly trustDomain: string;
}

/** Kp. Throws RangeError on a key that is not 32 bytes, an id that is not 16, or a name that is too long. */
export function derivePskKey({ psk, pskId, client, trustDomain }: PskIdentity): KeyObject {
  const [clientBytes, domainBytes] = [utf8(client), utf8(trustDomain)];
  if (psk.length !== PSK_LENGTH) throw new RangeError(`a pre-shared key has ${PSK_LENGTH} bytes`);
  if (pskId.length !== PSK_ID_LENGTH)
    throw new RangeError(`the id of a pre-shared key has ${PSK_ID_LENGTH} bytes`);
  if (clientBytes.length > MAX_CLIENT_BYTES)
    throw new RangeError(`a principal has at most ${MAX_CLIENT_BYTES} bytes`);
  if (domainBytes.length > MAX_TRUST_DOMAIN_BYTES) {
    throw new RangeError(`a trust domain has at most ${MAX_TRUST_DOMAIN_BYTES} bytes`);
  }
  const extracted = hkdfExtract(new Uint8Array(32), psk);
  return expandToKey(extracted, 'psk', concatBytes(pskId, lp(clientBytes), lp(domainBytes)));
}

/** mac_s; `th` = TH(mac_s). */
export function pskServerProof(pskKey: KeyObject, th: Uint8Array): Uint8Array {
  return hmacSha256(expandToKey(pskKey, 'psk server', EMPTY), th);
}

/** mac_c, for the client; `th` = TH(mac_c). */
export function pskClientProof(pskKey: KeyObject, th: Uint8Array): Uint8Array {
  return hmacSha256(expandToKey(pskKey, 'psk client', EMPTY), th);
}

/** True when `mac` is the client's proof for TH(mac_c). Constant time. */
export function isPskClientProof(pskKey: KeyObject, th: Uint8Array, mac: Uint8Array): boolean {
  return constantTimeEqual(pskClientProof(pskKey, th), mac);
}

/** PX, 32 bytes; `th3` = TH(after ClientAuth). */
export function pskExport(pskKey: KeyObject, th3: Uint8Array): Uint8Array {
  return expandLabel(pskKey, 'psk export', th3, 32);
}
