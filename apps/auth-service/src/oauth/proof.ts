/** A proof that the bearer of a bound token has its key (RFC 9449 section 4.3), at an endpoint of our own. */
import { sha256, toBase64url, utf8 } from '@sallyport/crypto';
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose';
import { PROOF_ALGORITHMS } from './metadata.ts';

const PAST_SECONDS = 60;
const FUTURE_SECONDS = 5;
const MAX_ID_CHARACTERS = 256;

export type ProofWanted = {
  readonly method: string;
  /** Without query. */
  readonly url: string;
  readonly token: string;
  readonly thumbprint: string;
  readonly nowMs: number;
  /** True for the first to bring this id. */
  readonly claim: (tokenId: string, notAfterMs: number) => Promise<boolean>;
};

/** Whether `proof` proves it. Rejects when nobody can say whether it was used before. */
export async function isProof(proof: string | undefined, wanted: ProofWanted): Promise<boolean> {
  const read = proof === undefined || proof.length > 4096 ? undefined : await readProof(proof);
  if (read === undefined) return false;
  const { payload, thumbprint } = read;
  const { htm, htu, ath, iat, jti } = payload;
  const ageSeconds = typeof iat === 'number' ? wanted.nowMs / 1000 - iat : NaN;
  return (
    thumbprint === wanted.thumbprint &&
    htm === wanted.method &&
    htu === wanted.url &&
    ath === toBase64url(sha256(utf8(wanted.token))) &&
    ageSeconds <= PAST_SECONDS &&
    ageSeconds >= -FUTURE_SECONDS &&
    typeof jti === 'string' &&
    jti !== '' &&
    jti.length <= MAX_ID_CHARACTERS &&
    (await wanted.claim(`${thumbprint} ${jti}`, wanted.nowMs + (PAST_SECONDS + FUTURE_SECONDS) * 1000))
  );
}

async function readProof(proof: string) {
  try {
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      algorithms: [...PROOF_ALGORITHMS],
      typ: 'dpop+jwt',
    });
    const { jwk } = protectedHeader;
    return jwk && { payload, thumbprint: await calculateJwkThumbprint(jwk) };
  } catch {
    // jose throws for each thing that can be wrong; all of them are one answer.
    return undefined;
  }
}
