/**
 * DPoP proofs (RFC 9449 section 4.3): made for this request, with the key that the token is bound to. Whether a proof was
 * seen before is asked of the `ProofGuard` afterwards, so that only proofs that are right take a place there.
 */
import { calculateJwkThumbprint, compactVerify, EmbeddedJWK, errors, importJWK, type JWK } from 'jose';

export const PROOF_ALGORITHMS = ['ES256', 'EdDSA'] as const;
export const MAX_PROOF_CHARS = 4 * 1024;
export const MAX_PROOF_ID_CHARS = 256;
/** Section 11.1: as long as a proof may be old, its `jti` is remembered. */
export const PROOF_AGE_MS = 60_000;
/** How far a client's clock may be ahead. */
export const PROOF_AHEAD_MS = 5_000;
const MS = 1_000;

/** Closed; a label of metrics. All of them are `invalid_dpop_proof` for the client. */
export type ProofProblem =
  | 'proof_missing'
  | 'proof_malformed'
  | 'proof_algorithm'
  | 'proof_key'
  | 'proof_signature'
  | 'proof_method'
  | 'proof_url'
  | 'proof_token'
  | 'proof_time';

export type Proof = {
  readonly tokenId: string;
  readonly issuedAtMs: number;
  /** As the client sent it; section 9. */
  readonly nonce: string | undefined;
};

export type ProofExpectation = {
  readonly method: string;
  /** Without query and fragment; any of these. */
  readonly urls: ReadonlySet<string>;
  /** SHA-256 of the access token, base64url. */
  readonly tokenDigest: string;
  readonly thumbprint: string;
  readonly nowMs: number;
};

export type ProofVerifier = (proof: string, expected: ProofExpectation) => Promise<Proof | ProofProblem>;

type ProofKey = Awaited<ReturnType<typeof importJWK>>;

/** Keys are remembered by their thumbprint: a client uses one for all its proofs. */
export function proofVerifier(maxKeys = 4_096): ProofVerifier {
  const keys = new Map<string, ProofKey>();

  async function keyOf(jwk: JWK, algorithm: string, thumbprint: string): Promise<ProofKey> {
    const name = `${algorithm} ${thumbprint}`;
    const known = keys.get(name);
    if (known !== undefined) return known;
    // Refuses private keys, and those for another use or algorithm.
    const key = await EmbeddedJWK({ alg: algorithm, jwk });
    keys.set(name, key);
    for (const oldest of keys.keys()) {
      if (keys.size <= maxKeys) break;
      keys.delete(oldest);
    }
    return key;
  }

  return async (proof, expected) => {
    if (proof.length > MAX_PROOF_CHARS) return 'proof_malformed';
    let payload: Uint8Array;
    try {
      const header = headerOf(proof);
      if (header === undefined || header['typ'] !== 'dpop+jwt') return 'proof_malformed';
      const { alg, jwk } = header;
      if (typeof alg !== 'string' || !(PROOF_ALGORITHMS as readonly string[]).includes(alg))
        return 'proof_algorithm';
      const publicKey = publicJwk(jwk);
      if (publicKey === undefined) return 'proof_key';
      const thumbprint = await calculateJwkThumbprint(publicKey, 'sha256');
      if (thumbprint !== expected.thumbprint) return 'proof_key';
      const key = await keyOf(publicKey, alg, thumbprint);
      ({ payload } = await compactVerify(proof, key, { algorithms: [alg] }));
    } catch (error) {
      if (error instanceof errors.JWSSignatureVerificationFailed) return 'proof_signature';
      return 'proof_malformed';
    }
    const claims = objectIn(payload);
    return claims === undefined ? 'proof_malformed' : checkClaims(claims, expected);
  };
}

function checkClaims(
  claims: Readonly<Record<string, unknown>>,
  expected: ProofExpectation,
): Proof | ProofProblem {
  const { jti, htm, htu, iat, ath, nonce } = claims;
  if (typeof jti !== 'string' || jti === '' || jti.length > MAX_PROOF_ID_CHARS) return 'proof_malformed';
  if (typeof iat !== 'number' || !Number.isFinite(iat)) return 'proof_malformed';
  if (nonce !== undefined && (typeof nonce !== 'string' || nonce.length > MAX_PROOF_ID_CHARS))
    return 'proof_malformed';
  if (htm !== expected.method) return 'proof_method';
  if (typeof htu !== 'string' || !expected.urls.has(normalisedUrl(htu) ?? '')) return 'proof_url';
  if (ath !== expected.tokenDigest) return 'proof_token';
  const issuedAtMs = iat * MS;
  if (issuedAtMs < expected.nowMs - PROOF_AGE_MS || issuedAtMs > expected.nowMs + PROOF_AHEAD_MS)
    return 'proof_time';
  return { tokenId: jti, issuedAtMs, nonce };
}

/** RFC 9449 section 4.3 rule 9 and RFC 3986 sections 6.2.2 and 6.2.3: without query and fragment. */
export function normalisedUrl(url: string): string | undefined {
  const parsed = URL.parse(url);
  if (parsed === null || parsed.username !== '' || parsed.password !== '') return undefined;
  return `${parsed.origin}${parsed.pathname}`;
}

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'] as const;

/** Only what names the key; undefined for a private key, or one of no kind that is taken here. */
function publicJwk(jwk: unknown): JWK | undefined {
  if (typeof jwk !== 'object' || jwk === null) return undefined;
  if (PRIVATE_MEMBERS.some((member) => member in jwk)) return undefined;
  const { kty, crv, x, y } = jwk as Readonly<Record<string, unknown>>;
  if (typeof x !== 'string') return undefined;
  if (kty === 'OKP' && crv === 'Ed25519') return { kty, crv, x };
  if (kty === 'EC' && crv === 'P-256' && typeof y === 'string') return { kty, crv, x, y };
  return undefined;
}

function headerOf(proof: string): Readonly<Record<string, unknown>> | undefined {
  const end = proof.indexOf('.');
  return end < 0 ? undefined : objectIn(Buffer.from(proof.slice(0, end), 'base64url'));
}

function objectIn(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return value as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}
