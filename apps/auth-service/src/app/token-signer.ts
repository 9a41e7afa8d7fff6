/**
 * A JWS in compact form (RFC 7515 section 3.1) with a signature that key-service makes: its header names the key, which is
 * known for sure only when the signature is there. The key of the last one is assumed, and the header is made again when
 * there is a newer.
 */
import { toBase64url, utf8 } from '@sallyport/crypto';
import { busy, unavailable } from '@sallyport/service/errors';
import type { AccessTokenClaims } from '../domain/access-token.ts';
import type { TokenAlgorithm, TokenKeys } from './ports.ts';

/** Resolves to the token. Throws `unavailable`, `busy` under a storm of rotations. */
export type TokenSigner = (algorithm: TokenAlgorithm, claims: AccessTokenClaims) => Promise<string>;

const ATTEMPTS = 3;

export function tokenSigner(keys: TokenKeys): TokenSigner {
  const assumed = new Map<TokenAlgorithm, string>();

  async function activeKeyId(algorithm: TokenAlgorithm): Promise<string> {
    const known = assumed.get(algorithm);
    if (known !== undefined) return known;
    const active = (await keys.list()).find((key) => key.algorithm === algorithm && key.isActive);
    if (active === undefined) throw unavailable(`key-service has no key yet that signs ${algorithm} tokens`);
    return active.keyId;
  }

  return async (algorithm, claims) => {
    const payload = encode(claims);
    let kid = await activeKeyId(algorithm);
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const signed = `${encode({ alg: algorithm, typ: 'at+jwt', kid })}.${payload}`; // RFC 9068 section 2.1
      const { keyId, signature } = await keys.sign(algorithm, utf8(signed));
      assumed.set(algorithm, keyId);
      if (keyId === kid) return `${signed}.${toBase64url(signature)}`;
      kid = keyId;
    }
    throw busy('the keys of access tokens are being rotated');
  };
}

function encode(value: unknown): string {
  return toBase64url(utf8(JSON.stringify(value)));
}
