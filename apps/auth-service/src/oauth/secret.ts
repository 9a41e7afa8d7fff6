/**
 * The authorization server's secret: 32 random bytes, made once per database, sealed by key-service, shared by replicas.
 * Everything else is derived from it (RFC 5869), each use with a label of its own.
 */
import type { KeyObject } from 'node:crypto';
import { hkdfExpand, hkdfExtract, secretKey, utf8 } from '@sallyport/crypto';
import type { OAuthSecrets } from './ports.ts';

const SECRET_BYTES = 32;
/** What the sealed secret is bound to. */
export const SECRET_CONTEXT: Uint8Array = utf8('sallyport oauth secret');

export type DerivedKeys = {
  readonly identifiers: KeyObject;
  /** Payload keys are derived from it, one for each record. */
  readonly records: KeyObject;
  readonly csrf: KeyObject;
  /** Signs cookies; as text, as the library takes it. */
  readonly cookies: string;
  /** 32 bytes. */
  readonly dpopNonces: Buffer;
};

/** Opens the secret, or makes it. Rejects with `unavailable` while key-service is away. */
export async function openSecret(ports: {
  readonly secrets: OAuthSecrets;
  readonly encrypt: (plaintext: Uint8Array, aad: Uint8Array) => Promise<Uint8Array>;
  readonly decrypt: (ciphertext: Uint8Array, aad: Uint8Array) => Promise<Uint8Array>;
  readonly random: (length: number) => Uint8Array;
}): Promise<DerivedKeys> {
  const sealed = (await ports.secrets.find()) ?? (await make(ports));
  const secret = await ports.decrypt(sealed, SECRET_CONTEXT);
  try {
    return deriveKeys(secret);
  } finally {
    secret.fill(0);
  }
}

async function make(ports: Parameters<typeof openSecret>[0]): Promise<Uint8Array> {
  const secret = ports.random(SECRET_BYTES);
  try {
    return await ports.secrets.insert(await ports.encrypt(secret, SECRET_CONTEXT));
  } finally {
    secret.fill(0);
  }
}

export function deriveKeys(secret: Uint8Array): DerivedKeys {
  const root = hkdfExtract(utf8('sallyport/oauth/1'), secret);
  const raw = (label: string) => Buffer.from(hkdfExpand(root, utf8(label), 32));
  const key = (label: string) => secretKey(raw(label));
  return {
    identifiers: key('identifiers'),
    records: key('records'),
    csrf: key('csrf'),
    cookies: raw('cookies').toString('base64url'),
    dpopNonces: raw('dpop nonces'),
  };
}
