/** Every bound of this service in one place. */

/** Bytes of one plaintext of Encrypt. */
export const MAX_PLAINTEXT_BYTES = 64 * 1024;
/** Bytes of associated data; at least one. */
export const MAX_AAD_BYTES = 1024;
/** Items of one Encrypt or Decrypt. */
export const MAX_BATCH_ITEMS = 256;
/** Bytes of all items of one batch, associated data included: well below the edge's message limit. */
export const MAX_BATCH_BYTES = 2 * 1024 * 1024;
/** Session ids of one RenewLeases or DestroySessionKeys. */
export const MAX_SESSION_IDS = 1000;
/** Bytes of one message to sign. */
export const MAX_SIGN_BYTES = 1024 * 1024;
/** Keys of one owner: they are made on first use and named by their caller, and none may use up what the others need. */
export const MAX_KEYS_PER_OWNER = 1024;

/** Bytes of every symmetric key here: AES-256, and what HKDF expands for the channel. */
export const SYMMETRIC_KEY_BYTES = 32;
/** Bytes of a session id (PROTOCOL.md section 1). */
export const SESSION_ID_BYTES = 16;

/**
 * Seals under one version before it must give way. NIST SP 800-38D section 8.3 allows 2^32 with random 96-bit nonces;
 * half of it leaves room for an operator to see the rotation coming.
 */
export const MAX_SEALS_PER_VERSION = 2n ** 31n;
/** Ed25519 has no such bound; the column that counts does. */
export const MAX_SIGNATURES_PER_VERSION = 2n ** 62n;
/** Uses set aside by one write, so that a crash counts too many and never too few. */
export const USE_BLOCK = 1024n;

/** How far the clock of another machine may be off when a binding begins or ends. */
export const CLOCK_SKEW_MS = 60_000;
/** How long the id of a destroyed session key stays refused when nobody said how long its binding is good. */
export const TOMBSTONE_MS = 7 * 24 * 60 * 60 * 1000;
