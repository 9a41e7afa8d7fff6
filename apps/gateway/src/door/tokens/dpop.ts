/**
 * DPoP proofs (RFC 9449 section 4.3): made for this request, with the key that the token is bound to. Whether a proof was
 * seen before is asked of the `ProofGuard` afterwards, so that only proofs that are right take a place there.
 */
import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';

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

type ProofKey = {
  readonly algorithm: (typeof PROOF_ALGORITHMS)[number];
  readonly thumbprint: string;
  readonly key: KeyObject;
};

/** RFC 7518 section 3.4 and RFC 8032: both have 64 bytes. */
const SIGNATURE_BYTES = 64;

/**
 * Keys are remembered by the header that names them: a client has one header for all its proofs, so after the first only the
 * signature costs. It is verified on this thread: it takes less than what the way to another and back costs a request.
 */
export function proofVerifier(maxKeys = 4_096): ProofVerifier {
  const keys = new Map<string, ProofKey>();

  async function keyOf(header: string, thumbprint: string): Promise<ProofKey | ProofProblem> {
    const known = keys.get(header);
    if (known !== undefined) return known;
    const found = await keyIn(header);
    if (typeof found === 'string') return found;
    // One that no token is bound to takes no place.
    if (found.thumbprint !== thumbprint) return 'proof_key';
    keys.set(header, found);
    for (const oldest of keys.keys()) {
      if (keys.size <= maxKeys) break;
      keys.delete(oldest);
    }
    return found;
  }

  return async (proof, expected) => {
    if (proof.length > MAX_PROOF_CHARS) return 'proof_malformed';
    const [header = '', claims = '', signature = '', ...more] = proof.split('.');
    if (more.length > 0 || claims === '') return 'proof_malformed';
    const found = await keyOf(header, expected.thumbprint);
    if (typeof found === 'string') return found;
    if (found.thumbprint !== expected.thumbprint) return 'proof_key';
    if (!isSigned(found, `${header}.${claims}`, Buffer.from(signature, 'base64url')))
      return 'proof_signature';
    const said = objectIn(Buffer.from(claims, 'base64url'));
    return said === undefined ? 'proof_malformed' : checkClaims(said, expected);
  };
}

async function keyIn(encoded: string): Promise<ProofKey | ProofProblem> {
  const header = objectIn(Buffer.from(encoded, 'base64url'));
  // RFC 7515 section 4.1.11: nothing is understood that must be.
  if (header === undefined || header['typ'] !== 'dpop+jwt' || 'crit' in header) return 'proof_malformed';
  const { alg, jwk } = header;
  const algorithm = PROOF_ALGORITHMS.find((one) => one === alg);
  if (algorithm === undefined) return 'proof_algorithm';
  const named = publicJwk(jwk);
  if (named === undefined) return 'proof_key';
  if ((named.kty === 'EC') !== (algorithm === 'ES256')) return 'proof_malformed';
  try {
    return {
      algorithm,
      thumbprint: await calculateJwkThumbprint(named, 'sha256'),
      key: createPublicKey({ key: named, format: 'jwk' }),
    };
  } catch {
    return 'proof_malformed';
  }
}

function isSigned({ algorithm, key }: ProofKey, text: string, signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  // The key itself, and not an object that has it beside `dsaEncoding`, which takes the platform 25 µs to tell apart.
  return algorithm === 'ES256'
    ? verify('sha256', Buffer.from(text), key, ecdsaSignature(signature))
    : verify(null, Buffer.from(text), key, signature);
}

/** RFC 7518 section 3.4, R and S one after the other, as RFC 3279 section 2.2.3 has them: a SEQUENCE of two INTEGERs. */
function ecdsaSignature(signature: Uint8Array): Uint8Array {
  const half = signature.length / 2;
  const numbers = [...derInteger(signature.subarray(0, half)), ...derInteger(signature.subarray(half))];
  return Uint8Array.of(0x30, numbers.length, ...numbers);
}

/** X.690 section 8.3: no leading zeros but one before what would be a sign. */
function derInteger(bytes: Uint8Array): readonly number[] {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first === -1 ? [0] : [...bytes.subarray(first)];
  const positive = (digits[0] ?? 0) > 0x7f ? [0, ...digits] : digits;
  return [0x02, positive.length, ...positive];
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
  if (typeof htu !== 'string') return 'proof_url';
  // Those that are expected are normal: what is one of them as it stands need not be parsed.
  if (!expected.urls.has(htu) && !expected.urls.has(normalisedUrl(htu) ?? '')) return 'proof_url';
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

function objectIn(bytes: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return value as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}
