/** A form's token against forgery: bound to the interaction, its step, and nothing that an attacker can read. */
import type { KeyObject } from 'node:crypto';
import { constantTimeEqual, fromBase64url, hmacSha256, toBase64url, utf8 } from '@sallyport/crypto';

export type Step = { readonly uid: string; readonly prompt: string };

export function csrfToken(key: KeyObject, { uid, prompt }: Step): string {
  return toBase64url(hmacSha256(key, utf8(`${uid}\0${prompt}`)));
}

export function isCsrfToken(key: KeyObject, step: Step, token: string | null): boolean {
  const given = token === null || token.length > 64 ? undefined : fromBase64url(token);
  return (
    given !== undefined && constantTimeEqual(given, hmacSha256(key, utf8(`${step.uid}\0${step.prompt}`)))
  );
}
