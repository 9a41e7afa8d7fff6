/** Passwords that the cluster's processes show to its servers: random, made once, in files of this user alone. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfPresent, writePrivate } from '../state/files.ts';

export type SecretFile = { readonly file: string; readonly password: string };

const PASSWORD_BYTES = 24;

/** The password in `<folder>/<name>.password`, made when there is none. */
export async function ensurePassword(folder: string, name: string): Promise<SecretFile> {
  const file = join(folder, `${name}.password`);
  const present = (await readIfPresent(file))?.trim();
  if (present !== undefined && present !== '') return { file, password: present };
  await writePrivate(file, `${randomBytes(PASSWORD_BYTES).toString('base64url')}\n`);
  return { file, password: (await readFile(file, 'utf8')).trim() };
}
