/** What a configuration says of files: read when the configuration is, so that a start and `--check-config` see the same. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Secret } from '@sallyport/crypto';
import type { Complaint } from '../config/index.ts';

const MAX_SECRET_BYTES = 1024;
/** One PEM block (RFC 7468 section 3). */
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/gu;

/** A complaint about the key `key`; shortens the tables below. */
export const complain = (key: string, what: string, hint: string): Complaint => ({
  key: key === '' ? [] : key.split('.'),
  what,
  hint,
});

/** The file's text, or why there is none. */
export function readText(file: string): { readonly text: string } | { readonly what: string } {
  try {
    return { text: readFileSync(file, 'utf8') };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'not readable';
    return {
      what:
        code === 'ENOENT' ? 'names a file that does not exist' : `names a file that cannot be read (${code})`,
    };
  }
}

/**
 * The password in a file: its one line without the line's end. Throws `TypeError`, never quoting it, for a file that is
 * empty, has several lines or more than 1 KiB.
 */
export function readPassword(file: string): string {
  const read = readText(file);
  if ('what' in read) throw new TypeError(`a password file ${read.what}`);
  const password = read.text.replace(/\r?\n$/u, '');
  if (password === '') throw new TypeError('a password file is empty');
  if (/[\r\n]/u.test(password) || Buffer.byteLength(password) > MAX_SECRET_BYTES)
    throw new TypeError('a password file holds more than one line of at most 1 KiB');
  return password;
}

/** The same for those who want a `Secret`. */
export const secretIn = (file: string): Secret => new Secret(new TextEncoder().encode(readPassword(file)));

export function passwordProblems(key: string, file: string): readonly Complaint[] {
  try {
    readPassword(file);
    return [];
  } catch (error) {
    const what = (error as Error).message.replace(/^a password file /u, 'names a file that ');
    return [
      complain(
        key,
        what.replace('that is empty', 'that is empty'),
        'Write the password into it, on one line.',
      ),
    ];
  }
}

/** What keeps the certificates in a PEM file from being trust roots now; empty when they can be. */
export function rootProblems(key: string, file: string, nowMs: number): readonly Complaint[] {
  const read = readText(file);
  if ('what' in read) return [complain(key, read.what, 'Check the path and its permissions.')];
  const roots = certificatesOf(read.text);
  if (roots === undefined || roots.length === 0)
    return [
      complain(
        key,
        'names a file without PEM certificates',
        'Write the authorities into it, PEM, one after the other.',
      ),
    ];
  if (!roots.every(({ ca }) => ca))
    return [
      complain(key, 'names a file with a certificate that is no authority', 'Leave the authorities only.'),
    ];
  return roots.some((root) => validityProblem(root, nowMs) === undefined)
    ? []
    : [
        complain(
          key,
          'names a file whose certificates are all outside their validity',
          'Renew them, or check the clock.',
        ),
      ];
}

/** Every certificate of a PEM text, or undefined where one of them is not one. */
export function certificatesOf(text: string): readonly X509Certificate[] | undefined {
  try {
    return (text.match(CERTIFICATE) ?? []).map((pem) => new X509Certificate(pem));
  } catch {
    return undefined;
  }
}

/** Why the certificate does not count now, in words; undefined when it does. */
export function validityProblem(certificate: X509Certificate, nowMs: number): string | undefined {
  const { validFromDate, validToDate } = certificate;
  if (nowMs < validFromDate.getTime()) return `is not valid before ${validFromDate.toISOString()}`;
  if (nowMs >= validToDate.getTime()) return `expired at ${validToDate.toISOString()}`;
  return undefined;
}
