import { LocalServerError } from './error.ts';

/** What every configuration syntax here can hold between quotes, and no person has to type. */
const passwordPattern = /^[A-Za-z0-9_~.-]{16,256}$/;
const namePattern = /^[a-z][a-z0-9_-]{0,62}$/;

/** Throws `TypeError`; the message never holds the password. */
export function checkCredentials(name: string, password: string): void {
  if (!namePattern.test(name)) throw new TypeError(`user name "${name}" must match ${namePattern.source}`);
  if (!passwordPattern.test(password)) {
    throw new TypeError(`the password of ${name} must match ${passwordPattern.source}`);
  }
}

/** Paths are written between double quotes; those that would end them are refused rather than escaped. */
export function quotePath(path: string): string {
  if (/["'\\$\n\r]/.test(path)) {
    const message = `${JSON.stringify(path)} has a character that configuration files cannot hold; choose another folder`;
    throw new LocalServerError('unusable_folder', message);
  }
  return `"${path}"`;
}
