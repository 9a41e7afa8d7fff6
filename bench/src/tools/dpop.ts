/** Access tokens that are bound to a key, and the proof of it in each request (RFC 9449). */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  randomUUID,
  sign,
  type JsonWebKey,
} from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Credential } from './callers.ts';

export type BoundToken = { readonly access_token: string; readonly expires_in: number };

/** `issue` gives a token bound to the P-256 key in `keyFile`, which is there after the first. */
export async function boundCredential(
  keyFile: string,
  issue: () => Promise<BoundToken>,
): Promise<Credential> {
  let token = await issue();
  let until = renewalOf(token);
  let nonce: string | undefined;
  const key = createPrivateKey({
    key: JSON.parse(await readFile(keyFile, 'utf8')) as JsonWebKey,
    format: 'jwk',
  });
  const header = part({ typ: 'dpop+jwt', alg: 'ES256', jwk: createPublicKey(key).export({ format: 'jwk' }) });
  let ath = digestOf(token.access_token);

  const proof = (method: string, url: string): string => {
    const claims = { jti: randomUUID(), htm: method, htu: url, iat: Math.floor(Date.now() / 1000), ath };
    const signed = `${header}.${part(nonce === undefined ? claims : { ...claims, nonce })}`;
    // RFC 7518 section 3.4: both numbers one after the other, no DER.
    const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
    return `${signed}.${signature.toString('base64url')}`;
  };
  return {
    async headers(method, url) {
      if (performance.now() > until) {
        token = await issue();
        until = renewalOf(token);
        ath = digestOf(token.access_token);
      }
      return { authorization: `DPoP ${token.access_token}`, dpop: proof(method, url) };
    },
    takeNonce: (given) => void (nonce = given),
  };
}

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const digestOf = (text: string): string => createHash('sha256').update(text).digest('base64url');
const renewalOf = (token: BoundToken): number => performance.now() + token.expires_in * 800;
