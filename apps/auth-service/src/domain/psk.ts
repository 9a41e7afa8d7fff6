/** A pre-shared key: 32 random bytes of one principal in one trust domain, sealed by key-service. */
import { concatBytes, utf8 } from '@sallyport/crypto';

export interface Psk {
  /** 16 random bytes; the only thing about it that is ever on the wire in clear. */
  readonly pskId: Uint8Array;
  readonly principal: string;
  readonly trustDomain: string;
  readonly label: string;
  /** What key-service made of the 32 bytes. */
  readonly sealed: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly notAfter: number;
  readonly revokedAt: number | undefined;
}

/** The domain key of key-service that seals them. */
export const PSK_DOMAIN_KEY = 'auth/psk';

/** What a sealed key is bound to: a row moved under another id, name or domain does not open. */
export function pskContext({
  pskId,
  principal,
  trustDomain,
}: Pick<Psk, 'pskId' | 'principal' | 'trustDomain'>): Uint8Array {
  const text = (value: string) => {
    const bytes = utf8(value);
    return concatBytes(Uint8Array.of(bytes.length >> 8, bytes.length), bytes);
  };
  return concatBytes(utf8('sallyport psk\0'), pskId, text(principal), text(trustDomain));
}

/** What the decoy secret is bound to. Not of the form of `pskContext`, so that neither can stand for the other. */
export const DECOY_CONTEXT: Uint8Array = utf8('sallyport psk decoy');

export type PskProblem = 'psk_unknown' | 'psk_revoked' | 'psk_expired' | 'psk_trust_domain';

/** Why a key may not be used now, or undefined. */
export function pskProblem(psk: Psk | undefined, trustDomain: string, now: number): PskProblem | undefined {
  if (psk === undefined) return 'psk_unknown';
  if (psk.revokedAt !== undefined) return 'psk_revoked';
  if (psk.notAfter < now) return 'psk_expired';
  return psk.trustDomain === trustDomain ? undefined : 'psk_trust_domain';
}
