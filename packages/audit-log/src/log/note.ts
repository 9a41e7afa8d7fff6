/**
 * Signed notes: text with signature lines under it (C2SP signed-note). Ed25519 only; signatures of keys we do not know
 * are ignored, as the specification wants, so witnesses can add theirs.
 */
import { concatBytes, constantTimeEqual, ED25519, fromUtf8, sha256, toHex, utf8 } from '@sallyport/crypto';
import { fromBase64, toBase64 } from './base64.ts';
import type { NoteSigner } from './types.ts';

const ED25519_TYPE = Uint8Array.of(0x01); // C2SP signed-note, "Signature types"
const MAX_NOTE_BYTES = 256 * 1024; // room for 16 post-quantum signatures of 5 kB, and then some
const MAX_SIGNATURES = 64;
const SIGNATURE_LINE = /^\u2014 ([^ ]+) ([A-Za-z0-9+/=]+)$/u;

export interface NoteSignature {
  readonly name: string;
  /** Four bytes. */
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

export interface SignedNote {
  /** With its last line feed: the bytes that are signed, as text. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

export interface VerifierKey {
  readonly name: string;
  readonly keyId: Uint8Array;
  /** Raw Ed25519 public key. */
  readonly publicKey: Uint8Array;
}

/** SHA-256(name ‖ LF ‖ 0x01 ‖ public key), the first four bytes (C2SP signed-note, "Ed25519 signatures"). */
export function noteKeyId(name: string, publicKey: Uint8Array): Uint8Array {
  return sha256(utf8(`${name}\n`), ED25519_TYPE, publicKey).slice(0, 4);
}

/** `<name>+<key id in hex>+<base64 of 0x01 ‖ public key>`. Throws RangeError on a bad name or key. */
export function formatVerifierKey(name: string, publicKey: Uint8Array): string {
  if (!isKeyName(name)) throw new RangeError('a key name is not empty and has neither spaces nor plus signs');
  if (publicKey.length !== 32) throw new RangeError('an Ed25519 public key has 32 bytes');
  return `${name}+${toHex(noteKeyId(name, publicKey))}+${toBase64(concatBytes(ED25519_TYPE, publicKey))}`;
}

/** The key of a verifier-key text, or undefined when it is malformed or its key id is not that of name and key. */
export function parseVerifierKey(text: string): VerifierKey | undefined {
  const [name = '', keyIdHex = '', ...rest] = text.trim().split('+');
  const key = fromBase64(rest.join('+'));
  if (!isKeyName(name) || key?.length !== 33 || key[0] !== ED25519_TYPE[0]) return undefined;
  const publicKey = key.slice(1);
  const keyId = noteKeyId(name, publicKey);
  return toHex(keyId) === keyIdHex ? { name, keyId, publicKey } : undefined;
}

/** The note: text, blank line, one signature line for each signer. The text must end in a line feed. */
export async function signNote(text: string, signers: readonly NoteSigner[]): Promise<Uint8Array> {
  if (!text.endsWith('\n') || hasControl(text))
    throw new RangeError('a note text is lines without control characters');
  const lines: string[] = [];
  for (const signer of signers) {
    const { name, publicKey } = signer;
    if (!isKeyName(name))
      throw new RangeError('a key name is not empty and has neither spaces nor plus signs');
    const signature = await signer.sign(utf8(text));
    lines.push(`\u2014 ${name} ${toBase64(concatBytes(noteKeyId(name, publicKey), signature))}\n`);
  }
  return utf8(`${text}\n${lines.join('')}`);
}

/** The parts of a note, unverified; undefined when the bytes are not one. */
export function parseNote(bytes: Uint8Array): SignedNote | undefined {
  if (bytes.length > MAX_NOTE_BYTES) return undefined;
  const note = fromUtf8(bytes);
  if (note === undefined || hasControl(note) || !note.endsWith('\n')) return undefined;
  const split = note.lastIndexOf('\n\n');
  if (split < 0) return undefined;
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) return undefined;
  const signatures: NoteSignature[] = [];
  for (const line of lines) {
    const [, name, encoded] = SIGNATURE_LINE.exec(line) ?? [];
    if (name === undefined || encoded === undefined || !isKeyName(name)) return undefined;
    const blob = fromBase64(encoded);
    if (blob === undefined || blob.length < 5) return undefined;
    signatures.push({ name, keyId: blob.slice(0, 4), signature: blob.slice(4) });
  }
  return { text: note.slice(0, split + 1), signatures };
}

export type NoteVerification =
  | { readonly ok: true; readonly text: string; readonly signedBy: readonly VerifierKey[] }
  /** `unknown_key`: no line of a known name and key id. `bad_signature`: a known key's line does not verify. */
  | { readonly ok: false; readonly problem: 'malformed' | 'unknown_key' | 'bad_signature' };

/** Verifies a note. Every signature of a known key must hold, and there must be one. Never throws. */
export function verifyNote(bytes: Uint8Array, keys: readonly VerifierKey[]): NoteVerification {
  const note = parseNote(bytes);
  if (note === undefined) return { ok: false, problem: 'malformed' };
  const signedBy: VerifierKey[] = [];
  for (const signature of note.signatures) {
    const key = keys.find(
      ({ name, keyId }) => name === signature.name && constantTimeEqual(keyId, signature.keyId),
    );
    if (key === undefined) continue;
    if (!verifyNoteText(note.text, signature.signature, key)) return { ok: false, problem: 'bad_signature' };
    signedBy.push(key);
  }
  return signedBy.length > 0
    ? { ok: true, text: note.text, signedBy }
    : { ok: false, problem: 'unknown_key' };
}

/** True when the key's owner signed this text. */
export function verifyNoteText(text: string, signature: Uint8Array, key: VerifierKey): boolean {
  const publicKey = ED25519.publicKeyFromRaw(key.publicKey);
  return publicKey !== undefined && ED25519.verify(publicKey, utf8(text), signature);
}

/** Control characters below U+0020 other than the line feed (C2SP signed-note, "Format"). */
function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 0x20 && text[i] !== '\n') return true;
  return false;
}

function isKeyName(name: string): boolean {
  return name.length > 0 && !/[\p{White_Space}+\p{Cc}]/u.test(name);
}
