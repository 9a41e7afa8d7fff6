/** The keys that may still verify access tokens, as services and as the world see them (RFC 7517). */
import type { TokenKey, TokenKeys } from './ports.ts';

/** RFC 7517 section 4, RFC 8037 section 2, RFC 7518 section 6.2.1. */
export interface PublicJwk {
  readonly kty: 'OKP' | 'EC';
  readonly crv: string;
  readonly x: string;
  readonly y?: string;
  readonly kid: string;
  readonly use: 'sig';
  readonly alg: string;
}

export interface PublicJwks {
  readonly keys: readonly PublicJwk[];
}

/** The world may ask as often as it likes: key-service is asked this often, and once for all who wait. */
const FRESH_MS = 1_000;

/** Rejects with `unavailable` when key-service is away. */
export function cachedTokenKeys(
  keys: Pick<TokenKeys, 'list'>,
  monotonic: () => number,
): () => Promise<readonly TokenKey[]> {
  let asked: { readonly at: number; readonly answer: Promise<readonly TokenKey[]> } | undefined;
  return () => {
    if (asked !== undefined && monotonic() - asked.at < FRESH_MS) return asked.answer;
    const current = { at: monotonic(), answer: keys.list() };
    asked = current;
    current.answer.catch(() => {
      if (asked === current) asked = undefined;
    });
    return current.answer;
  };
}

/** The newest first. */
export async function publicJwks(tokenKeys: () => Promise<readonly TokenKey[]>): Promise<PublicJwks> {
  return { keys: (await tokenKeys()).map(jwkOf) };
}

function jwkOf({ keyId, algorithm, publicKey }: TokenKey): PublicJwk {
  const { kty, crv, x, y } = publicKey.export({ format: 'jwk' });
  if ((kty !== 'OKP' && kty !== 'EC') || crv === undefined || x === undefined)
    throw new Error(`key ${keyId} is of a kind that signs no tokens`);
  return { kty, crv, x, ...(y === undefined ? {} : { y }), kid: keyId, use: 'sig', alg: algorithm };
}
