import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bufferOf, concatBytes, fromBase64url, fromHex, toHex, utf8 } from './bytes.ts';
import { isAcceptableEd25519Public } from './ed25519-public.ts';
import {
  ECDSA_P256,
  ED25519,
  SIGNATURE_TABLE,
  signatureInput,
  signatureRow,
  signatureRowById,
} from './signature.ts';

const pair = ED25519.generate();
const message = utf8('message');

describe('Ed25519', () => {
  it('verifies its own signatures and no other', () => {
    const signature = ED25519.sign(pair.privateKey, message);
    expect(ED25519.verify(pair.publicKey, message, signature)).toBe(true);
    expect(ED25519.verify(ED25519.generate().publicKey, message, signature)).toBe(false);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 511 }), (bit) => {
        const bad = signature.slice();
        bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(ED25519.verify(pair.publicKey, message, bad)).toBe(false);
      }),
    );
  });

  it.each([0, 63, 65])('refuses a signature of %i bytes', (length) => {
    expect(ED25519.verify(pair.publicKey, message, new Uint8Array(length))).toBe(false);
  });

  it('refuses a key of another algorithm', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expect(ED25519.isAcceptable(publicKey)).toBe(false);
    expect(ED25519.verify(publicKey, message, new Uint8Array(64))).toBe(false);
    expect(() => ED25519.rawPublicKey(publicKey)).toThrow(TypeError);
  });

  it('round-trips keys in raw form', () => {
    const raw = ED25519.rawPublicKey(pair.publicKey);
    expect(ED25519.publicKeyFromRaw(raw)?.equals(pair.publicKey)).toBe(true);
    expect(ED25519.isAcceptable(pair.publicKey)).toBe(true);
  });

  it('is deterministic from a raw private key (RFC 8032 section 7.1, test 1)', () => {
    const seed = fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60') ?? message;
    const known = ED25519.keyPairFromRaw(seed);
    expect(toHex(ED25519.rawPublicKey(known.publicKey))).toBe(
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    );
    expect(toHex(ED25519.sign(known.privateKey, new Uint8Array(0))).slice(0, 16)).toBe('e5564300c360ac72');
  });
});

it('leaves no copy of a private key in memory that buffers share', () => {
  const raw = ED25519.sign(pair.privateKey, message).slice(0, 32);
  const pool = Buffer.from(Buffer.allocUnsafe(1).buffer);
  ED25519.keyPairFromRaw(raw);
  expect(pool.includes(bufferOf(raw))).toBe(false);
});

// The platform imports them. They are of no use: whoever sends one has to sign under it.
it.each([2, 7, 8])('y = %i, which no point has, verifies nothing', (y) => {
  const publicKey = ED25519.publicKeyFromRaw(Uint8Array.from({ length: 32 }, (_, at) => (at === 0 ? y : 0)));
  if (publicKey === undefined) throw new Error('the platform now refuses it: so should docs/protocol.md say');
  for (const signature of [new Uint8Array(64), ED25519.sign(pair.privateKey, message)])
    expect(ED25519.verify(publicKey, message, signature)).toBe(false);
});

it('refuses a signature whose S is not below the group order (RFC 8032 section 5.1.7)', () => {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const signature = ED25519.sign(pair.privateKey, message);
  let s = order;
  for (let at = 0; at < 32; at += 1) s += BigInt(signature[32 + at] ?? 0) << BigInt(8 * at);
  const second = signature.map((byte, at) => (at < 32 ? byte : Number((s >> BigInt(8 * (at - 32))) & 255n)));
  expect(ED25519.verify(pair.publicKey, message, second)).toBe(false);
});

describe('public keys of small order or in a second encoding', () => {
  const p = 2n ** 255n - 19n;
  const encode = (y: bigint, sign: 0 | 1) => {
    const raw = Uint8Array.from({ length: 32 }, (_, at) => Number((y >> BigInt(8 * at)) & 255n));
    raw[31] = (raw[31] ?? 0) | (sign << 7);
    return raw;
  };
  const order8 = BigInt('0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7');
  const weak: readonly (readonly [string, bigint])[] = [
    ['order 4', 0n],
    ['identity', 1n],
    ['order 2', p - 1n],
    ['order 8', order8],
    ['order 8, other', p - order8],
    ['p', p],
    ['p + 1', p + 1n],
    ['p + 2', p + 2n],
    ['p + 18, the largest', p + 18n],
  ];
  it.each(
    weak.flatMap(([name, y]) => [
      [name, encode(y, 0)] as const,
      [`${name}, sign set`, encode(y, 1)] as const,
    ]),
  )('%s is refused', (_name, raw) => {
    expect(ED25519.publicKeyFromRaw(raw)).toBeUndefined();
  });

  it('lists y of order 8 as the curve has it', () => {
    // y(2P) = 0, which has order 4, needs x² = −y²; in −x² + y² = 1 + d·x²·y² that is d·y⁴ + 2y² − 1 = 0.
    const inverse = (value: bigint): bigint => power(value, p - 2n);
    const power = (base: bigint, exponent: bigint): bigint => {
      let result = 1n;
      for (let b = base % p, e = exponent; e > 0n; b = (b * b) % p, e >>= 1n)
        if (e & 1n) result = (result * b) % p;
      return result;
    };
    const d = ((p - 121665n) * inverse(121666n)) % p;
    const y2 = (order8 * order8) % p;
    expect((d * y2 * y2 + 2n * y2 - 1n + p) % p).toBe(0n);
  });

  it.each([31, 33, 0])('%i bytes are refused', (length) => {
    expect(ED25519.publicKeyFromRaw(new Uint8Array(length).fill(9))).toBeUndefined();
  });

  it('the largest canonical y passes the check of its encoding', () => {
    expect(isAcceptableEd25519Public(encode(p - 2n, 0))).toBe(true);
  });
});

describe('the table', () => {
  it('finds its rows by name and by number', () => {
    for (const row of SIGNATURE_TABLE)
      expect([signatureRow(row.name), signatureRowById(row.id)]).toEqual([row, row]);
  });

  it.each(['RSA', 'ed25519', ''])('does not know %j', (name) => {
    expect(signatureRow(name)).toBeUndefined();
  });
});

it('signs 64 spaces, the protocol, the label and a zero before the content', () => {
  const input = signatureInput('batch', Uint8Array.of(1), Uint8Array.of(2));
  expect(input).toEqual(utf8(`${' '.repeat(64)}sallyport1 batch\u0000\u0001\u0002`));
});

describe('ECDSA on P-256', () => {
  const p256 = ECDSA_P256.generate();

  it('verifies its own signatures of 64 bytes and no other', () => {
    const signature = ECDSA_P256.sign(p256.privateKey, message);
    expect(signature).toHaveLength(64);
    expect(ECDSA_P256.verify(p256.publicKey, message, signature)).toBe(true);
    expect(ECDSA_P256.verify(ECDSA_P256.generate().publicKey, message, signature)).toBe(false);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 511 }), (bit) => {
        const bad = signature.slice();
        bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(ECDSA_P256.verify(p256.publicKey, message, bad)).toBe(false);
      }),
    );
  });

  it('verifies as ES256 of RFC 7515 appendix A.3', () => {
    const [x, y] = [
      'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
      'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
    ].map((each) => fromBase64url(each) ?? message);
    const key = ECDSA_P256.publicKeyFromRaw(concatBytes(Uint8Array.of(4), x ?? message, y ?? message));
    const input =
      'eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ';
    const signature = fromBase64url(
      'DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q',
    );
    if (key === undefined || signature === undefined) throw new Error('unreadable vector');
    expect(ECDSA_P256.verify(key, utf8(input), signature)).toBe(true);
  });

  it('round-trips keys in raw form', () => {
    const raw = ECDSA_P256.rawPublicKey(p256.publicKey);
    expect(raw).toHaveLength(65);
    expect(ECDSA_P256.publicKeyFromRaw(raw)?.equals(p256.publicKey)).toBe(true);
    const secret = p256.privateKey.export({ format: 'raw-private' });
    expect(ECDSA_P256.keyPairFromRaw(secret).publicKey.equals(p256.publicKey)).toBe(true);
  });

  it.each([
    ['compressed', (raw: Uint8Array) => Uint8Array.of(2, ...raw.subarray(1, 33))],
    ['not on the curve', (raw: Uint8Array) => raw.map((byte, at) => (at === 40 ? byte ^ 1 : byte))],
    ['hybrid', (raw: Uint8Array) => raw.map((byte, at) => (at === 0 ? 6 : byte))],
    ['infinity', () => Uint8Array.of(0)],
    ['short', (raw: Uint8Array) => raw.subarray(0, 64)],
  ])('refuses a public key that is %s', (_name, change) => {
    expect(ECDSA_P256.publicKeyFromRaw(change(ECDSA_P256.rawPublicKey(p256.publicKey)))).toBeUndefined();
  });

  it('and Ed25519 refuse each other’s keys', () => {
    expect(ECDSA_P256.verify(pair.publicKey, message, new Uint8Array(64))).toBe(false);
    expect(ECDSA_P256.isAcceptable(pair.publicKey)).toBe(false);
    expect(() => ECDSA_P256.rawPublicKey(pair.publicKey)).toThrow(TypeError);
    const other = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    expect(ECDSA_P256.isAcceptable(other.publicKey)).toBe(false);
  });

  it('is not an algorithm of the channel', () => {
    expect(SIGNATURE_TABLE).not.toContain(ECDSA_P256);
    expect(signatureRow('P-256')).toBeUndefined();
    expect(signatureRowById(ECDSA_P256.id)).toBeUndefined();
  });
});
