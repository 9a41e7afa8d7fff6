/**
 * Whether octets are a point that may be a public key. OpenSSL finds most of this when a key is first used; a leaf's never is,
 * and releases differ about Edwards points of small order.
 */

/** y² = x³ - 3x + b over the integers modulo p. */
export interface Curve {
  readonly p: bigint;
  readonly b: bigint;
}

/** SEC 2 version 2 sections 2.4.2, 2.5.1 and 2.6.1; FIPS 186-4 appendix D.1.2. */
export const P256: Curve = {
  p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
  b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
};
export const P384: Curve = {
  p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
  b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
};
export const P521: Curve = {
  p: 2n ** 521n - 1n,
  b: 0x51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
};

/** `point` is 04, x and y, each of the octets of p (SEC 1 section 3.2.2.1, steps 2 and 3; the cofactor is 1). */
export function isOnCurve(point: Uint8Array, { p, b }: Curve): boolean {
  const middle = (point.length + 1) / 2;
  const x = bigEndian(point.subarray(1, middle));
  const y = bigEndian(point.subarray(middle));
  return x < p && y < p && (y * y - (x * x - 3n) * x - b) % p === 0n;
}

/** RFC 8032 section 5.1. */
const P25519 = 2n ** 255n - 19n;

/** The y coordinates of the eight points whose order divides 8: one signature by such a key verifies for many messages. */
const SMALL_ORDER: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  P25519 - 1n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
]);

/** RFC 8032 section 5.1.3 steps 1 and 2: y below p, so that each point has one form; and no point of small order. */
export function mayBeEd25519Key(octets: Uint8Array): boolean {
  const y = bigEndian(octets.toReversed()) & (2n ** 255n - 1n);
  return y < P25519 && !SMALL_ORDER.has(y);
}

function bigEndian(octets: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('hex')}`);
}
