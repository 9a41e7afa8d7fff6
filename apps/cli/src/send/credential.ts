/** Who sends: a certificate of the state folder, one of another authority, or a pre-shared key. */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import type { Credential } from '@sallyport/client';
import { fromBase64url } from '@sallyport/crypto';
import type { CommandContext } from '../commands/context.ts';
import { requireIdentity } from '../connect.ts';
import { CommandFailed } from '../exit.ts';
import { parseHex } from '../format.ts';
import { readIfPresent } from '../state/files.ts';

export type CredentialChoice = {
  readonly psk?: string | undefined;
  /** Files in PEM: a chain, leaf first, of whatever authority the deployment believes, and its key. */
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
};

/** Throws `CommandFailed`, saying what to do, where there is no usable one. No key material is ever in the message. */
export async function readCredential(
  context: CommandContext,
  { psk, certificate, key }: CredentialChoice,
): Promise<Credential> {
  if (psk !== undefined) return readPsk(context, psk);
  if (certificate !== undefined && key !== undefined) return readFiles(certificate, key);
  const identity = await requireIdentity(context.home, context.as);
  return { kind: 'certificate', certPem: identity.certPem, key: identity.key };
}

async function readFiles(certificate: string, key: string): Promise<Credential> {
  const [certPem, keyPem] = await Promise.all([readIfPresent(certificate), readIfPresent(key)]);
  const leaf = certPem === undefined ? undefined : leafOf(certPem);
  if (certPem === undefined || leaf === undefined)
    throw new CommandFailed(`${certificate} is no certificate that can be read: PEM, the leaf first.`);
  const privateKey = keyPem === undefined ? undefined : privateKeyOf(keyPem);
  if (privateKey === undefined)
    throw new CommandFailed(`${key} is no private key that can be read: PEM, without a passphrase.`);
  if (!leaf.checkPrivateKey(privateKey))
    throw new CommandFailed(`${key} is not the key of the certificate in ${certificate}.`);
  if (privateKey.asymmetricKeyType !== 'ed25519')
    throw new CommandFailed(
      `The channel signs with Ed25519; the key of ${certificate} is ${privateKey.asymmetricKeyType}.`,
    );
  return { kind: 'certificate', certPem, key: privateKey };
}

function leafOf(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function privateKeyOf(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    // OpenSSL's message can quote what it read.
    return undefined;
  }
}

async function readPsk(context: CommandContext, given: string): Promise<Credential> {
  const isFile = given.includes('/') || given.endsWith('.json');
  const file = isFile ? given : context.home.pskFile(given);
  const text = await readIfPresent(file);
  if (text === undefined) {
    throw new CommandFailed(
      `There is no pre-shared key ${file}. Make one with \`sallyport psk create <principal> --out <file>\` and give --psk that file.`,
    );
  }
  const credential = parsePsk(text);
  if (credential === undefined) {
    throw new CommandFailed(
      `${file} is not a pre-shared key as \`sallyport psk create\` writes it: JSON with principal, pskId (32 hexadecimal digits) and psk (base64url of 32 bytes).`,
    );
  }
  return credential;
}

function parsePsk(text: string): Credential | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value !== 'object' || value === null) return undefined;
    const { principal, pskId, psk } = value as Record<string, unknown>;
    if (typeof principal !== 'string' || typeof pskId !== 'string' || typeof psk !== 'string')
      return undefined;
    const key = fromBase64url(psk);
    if (key?.length !== 32) return undefined;
    return { kind: 'psk', principal, pskId: parseHex(pskId, 16, 'pre-shared key id'), psk: key };
  } catch {
    // Whatever it is, it is not one; its content must not be quoted.
    return undefined;
  }
}
