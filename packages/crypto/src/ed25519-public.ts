/**
 * Which Ed25519 public keys may vouch for anything.
 *
 * A key of small order verifies one signature for many messages, and a second encoding of the same key breaks the
 * equality of keys. Both void non-repudiation. OpenSSL imports both, and under which of them it verifies depends on its
 * release, so they are refused before a key is used (RFC 8032 section 5.1.3 for the canonical encoding; "Taming the many
 * EdDSAs", 2020, for the small subgroup).
 */
import { fromHex } from './bytes.ts';

export const ED25519_PUBLIC_LENGTH = 32;

/** y coordinates, little-endian, of the eight points whose order divides 8. The sign of x does not matter. */
const SMALL_ORDER_Y: readonly Uint8Array[] = [
  '0000000000000000000000000000000000000000000000000000000000000000', // order 4
  '0100000000000000000000000000000000000000000000000000000000000000', // order 1: the identity
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', // order 8
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', // order 8
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f', // order 2
].map((hex) => fromHex(hex) ?? new Uint8Array(0));

/** True when the 32 bytes are the one canonical encoding of a y coordinate, and not that of a point of small order. */
export function isAcceptableEd25519Public(raw: Uint8Array): boolean {
  if (raw.length !== ED25519_PUBLIC_LENGTH) return false;
  const y = Uint8Array.from(raw);
  y[31] = (y[31] ?? 0) & 0x7f; // the top bit is the sign of x
  return isBelowPrime(y) && !SMALL_ORDER_Y.some((small) => small.every((byte, at) => byte === y[at]));
}

/** y < 2^255 − 19, on public data. */
function isBelowPrime(y: Uint8Array): boolean {
  if ((y[0] ?? 0) < 0xed || y[31] !== 0x7f) return true;
  for (let at = 1; at < 31; at += 1) if (y[at] !== 0xff) return true;
  return false;
}
