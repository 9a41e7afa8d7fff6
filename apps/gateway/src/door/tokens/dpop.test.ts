import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { expect, test } from 'vitest';
import { proofVerifier, type ProofExpectation } from './dpop.ts';

const NOW_S = 1_800_000_000;
const URL = 'https://gateway.test/mcp';
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const { kty, crv, x, y } = publicKey.export({ format: 'jwk' });
// RFC 7638 section 3.2: these members, in this order.
const thumbprint = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
const expected: ProofExpectation = {
  ...{ method: 'POST', urls: new Set([URL]), tokenDigest: 'd', thumbprint, nowMs: NOW_S * 1_000 },
};

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
function signed(tokenId: string): { readonly text: string; readonly signature: Buffer } {
  const claims = { jti: tokenId, htm: 'POST', htu: URL, iat: NOW_S, ath: 'd' };
  const text = `${part({ typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } })}.${part(claims)}`;
  const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return { text, signature };
}

/** Proofs whose R or S is one that its encoding in DER shortens, or puts a zero before. */
test.each<[string, (number: Uint8Array) => boolean]>([
  ['begins with a zero byte', ([first]) => first === 0],
  ['begins with a bit that DER takes for a sign', ([first = 0]) => first > 0x7f],
  ['begins with neither', ([first = 0]) => first > 0 && first < 0x80],
])('a signature with a number that %s is verified', async (_, isMeant) => {
  const verify = proofVerifier();
  for (const half of [0, 32]) {
    let proof = signed('0');
    for (let n = 1; !isMeant(proof.signature.subarray(half, half + 32)); n += 1) proof = signed(String(n));
    const { text, signature } = proof;
    expect(await verify(`${text}.${signature.toString('base64url')}`, expected)).toMatchObject({
      issuedAtMs: NOW_S * 1_000,
    });
    signature[half] = (signature[half] ?? 0) ^ 1;
    expect(await verify(`${text}.${signature.toString('base64url')}`, expected)).toBe('proof_signature');
  }
});

test.each([
  ['only zeros', Buffer.alloc(64)],
  ['only ones', Buffer.alloc(64, 0xff)],
  ['a number of zeros', Buffer.concat([Buffer.alloc(32), Buffer.alloc(32, 1)])],
  ['a byte less', Buffer.alloc(63, 1)],
  ['a byte more', Buffer.alloc(65, 1)],
  ['nothing', Buffer.alloc(0)],
])('a signature of %s is none', async (_, signature) => {
  const { text } = signed('1');
  const proof = `${text}.${signature.toString('base64url')}`;
  expect(await proofVerifier()(proof, expected)).toBe('proof_signature');
});
