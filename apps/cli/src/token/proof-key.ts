/** The private key that a token is bound to (RFC 9449): a JWK in a file that nobody else can read. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type JsonWebKey } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { sha256, toBase64url, utf8 } from '@sallyport/crypto';
import { CommandFailed } from '../exit.ts';
import { readIfPresent, writePrivate } from '../state/files.ts';

export type ProofKey = {
  /** RFC 7638, SHA-256, base64url: `jkt`. */
  readonly thumbprint: string;
  /** It was not there before. */
  readonly isNew: boolean;
};

const OTHERS = 0o077;

/** Makes the key, on P-256, when there is no such file. Throws `CommandFailed`; no key material is in the message. */
export async function readProofKey(file: string): Promise<ProofKey> {
  const text = await readIfPresent(file);
  if (text === undefined) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256' };
    await writePrivate(file, `${JSON.stringify(jwk)}\n`);
    return { thumbprint: thumbprintOf(jwk), isNew: true };
  }
  if (((await stat(file)).mode & OTHERS) !== 0)
    throw new CommandFailed(
      `Others can read the private key ${file}. Take their rights away: chmod 600 ${file}`,
    );
  const jwk = parseKey(text);
  if (jwk === undefined) {
    throw new CommandFailed(
      `${file} is not a private key as a JWK: Ed25519, or P-256. Name a file that is not there, and one is made.`,
    );
  }
  return { thumbprint: thumbprintOf(jwk), isNew: false };
}

/** The public half in the form of the key itself, so that what is hashed is what its owner will prove with. */
function parseKey(text: string): JsonWebKey | undefined {
  try {
    const key = createPrivateKey({ key: JSON.parse(text) as JsonWebKey, format: 'jwk' });
    const jwk = createPublicKey(key).export({ format: 'jwk' });
    return jwk.crv === 'Ed25519' || jwk.crv === 'P-256' ? jwk : undefined;
  } catch {
    // Whatever it is, it is not one; its content must not be quoted.
    return undefined;
  }
}

/** RFC 7638 section 3: the required members in the order of their names, and nothing else. */
function thumbprintOf({ crv, kty, x, y }: JsonWebKey): string {
  return toBase64url(sha256(utf8(JSON.stringify(y === undefined ? { crv, kty, x } : { crv, kty, x, y }))));
}
