/** Who sends: a certificate of the state folder, or a pre-shared key. */
import type { Credential } from '@sallyport/client';
import { fromBase64url } from '@sallyport/crypto';
import type { CommandContext } from '../commands/context.ts';
import { requireIdentity } from '../connect.ts';
import { CommandFailed } from '../exit.ts';
import { parseHex } from '../format.ts';
import { readIfPresent } from '../state/files.ts';

/** Throws `CommandFailed`, saying what to do, where there is no usable one. No key material is ever in the message. */
export async function readCredential(context: CommandContext, psk: string | undefined): Promise<Credential> {
  if (psk !== undefined) return readPsk(context, psk);
  const { certPem, key } = await requireIdentity(context.home, context.as);
  return { kind: 'certificate', certPem, key };
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
