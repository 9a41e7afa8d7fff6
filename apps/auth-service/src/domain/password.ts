/** A password as it is kept: the Argon2id hash (RFC 9106) with its parameters, for sealing. Pure. */
import { concatBytes, sha256, utf8 } from '@sallyport/crypto';
import { MAX_PASSWORD_CHARACTERS, MIN_PASSWORD_CHARACTERS } from './limits.ts';

export interface HashParameters {
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
}

/** OWASP Password Storage Cheat Sheet, Argon2id: 19 MiB, 2 passes, 1 lane. */
export const HASH_PARAMETERS: HashParameters = Object.freeze({ memoryKib: 19_456, passes: 2, lanes: 1 });
export const SALT_BYTES = 16;
export const HASH_BYTES = 32;

export interface PasswordHash extends HashParameters {
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

/** The domain key of key-service that seals them. */
export const PASSWORD_DOMAIN_KEY = 'auth/password';

const VERSION = 1;
const LENGTH = 1 + 4 + 4 + 1 + SALT_BYTES + HASH_BYTES;

/** version u8 | memory KiB u32 | passes u32 | lanes u8 | salt 16 | hash 32 */
export function encodeHash({ memoryKib, passes, lanes, salt, hash }: PasswordHash): Uint8Array {
  const head = new Uint8Array(10);
  const view = new DataView(head.buffer);
  view.setUint8(0, VERSION);
  view.setUint32(1, memoryKib);
  view.setUint32(5, passes);
  view.setUint8(9, lanes);
  return concatBytes(head, salt, hash);
}

/** Undefined for anything else. The parts are copies. */
export function parseHash(bytes: Uint8Array): PasswordHash | undefined {
  if (bytes.length !== LENGTH || bytes[0] !== VERSION) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return {
    memoryKib: view.getUint32(1),
    passes: view.getUint32(5),
    lanes: view.getUint8(9),
    salt: bytes.slice(10, 10 + SALT_BYTES),
    hash: bytes.slice(10 + SALT_BYTES),
  };
}

/** What a sealed hash is bound to: a row moved to another user does not open. */
export function passwordContext(principal: string, trustDomain: string): Uint8Array {
  return utf8(`sallyport password\0${trustDomain}\0${principal}`);
}

/** The credential that sign-ins with a user's password stand on. */
export function passwordDigest(principal: string): Uint8Array {
  return sha256(utf8(`sallyport password\0${principal}`));
}

/** The bytes to hash (RFC 8265 section 4.2: NFC, spaces as they are), or undefined for what can be no password. */
export function preparePassword(password: string): Uint8Array | undefined {
  if (!password.isWellFormed() || /\p{Cc}/u.test(password)) return undefined;
  const normal = password.replaceAll(/\p{Zs}/gu, ' ').normalize('NFC');
  const length = charactersOf(normal);
  return length === 0 || length > MAX_PASSWORD_CHARACTERS ? undefined : utf8(normal);
}

/** What is wrong with a new password, or undefined. */
export function passwordProblem(principal: string, password: string): string | undefined {
  const text = `${MIN_PASSWORD_CHARACTERS} to ${MAX_PASSWORD_CHARACTERS} characters, none of them for control`;
  if (preparePassword(password) === undefined || charactersOf(password) < MIN_PASSWORD_CHARACTERS)
    return text;
  const id = principal.slice(principal.indexOf(':') + 1);
  if (
    new Set(password).size < 4 ||
    password.toLowerCase().replaceAll(id, '').length < MIN_PASSWORD_CHARACTERS / 2
  )
    return 'not one character again and again, and not little more than the name';
  return undefined;
}

/** Code points, as RFC 8265 counts them. */
function charactersOf(text: string): number {
  return Array.from(text).length;
}
