/** Every bound of this service in one place. */

const DAY_MS = 24 * 60 * 60 * 1000;

/** Bytes of one part of a handshake (docs/protocol.md section 3). */
export const MAX_PART_BYTES = 16 * 1024;
/** How far the gateway's time in ServerHello may be from ours: a recorded handshake is worthless after that. */
export const HELLO_FRESHNESS_MS = 30_000;

export const SESSION_ID_BYTES = 16;
export const PSK_ID_BYTES = 16;
/** RFC 9257 section 4: never anything that can be guessed, so the system makes all of them, and all alike. */
export const PSK_BYTES = 32;
export const DEFAULT_PSK_DAYS = 90;
export const MAX_PSK_DAYS = 366;
/** Keys of one principal that are neither revoked nor over: enough to renew without a gap. */
export const MAX_LIVE_PSKS = 16;
/** Keys in one answer of ListPsks. */
export const MAX_LISTED_PSKS = 1000;
/** Characters of a label or a cause that a person writes. */
export const MAX_TEXT_CHARACTERS = 128;

export const DEFAULT_PAGE_SIZE = 100;
export const MAX_PAGE_SIZE = 1000;
/** Rows of one answer of ListRevocations; whoever is further behind asks again. */
export const MAX_REVOCATIONS = 1000;
/** Session ids in one call of key-service. */
export const MAX_DESTROY_IDS = 1000;

/** Open keys kept in memory, of real ids and of decoys each, and for how long. */
export const MAX_CACHED_KEYS = 1024;
export const CACHED_KEY_MS = 30_000;

/** Proofs whose handshakes are awaited, and for how long: the gateway gives a handshake 5 s (PROTOCOL.md "Half-open"). */
export const MAX_OPEN_PROOFS = 4096;
export const OPEN_PROOF_MS = 10_000;

/** Failed attempts are recorded as counts: this often, and for so many pairs of source and cause at most. */
export const FAILURE_INTERVAL_MS = 60_000;
export const MAX_FAILURE_ROWS = 128;

/** How long ended sessions and the feed of revocations are kept. Longer than any session lives. */
export const RETENTION_MS = 30 * DAY_MS;
export const MAX_SESSION_LIFETIME_MS = 7 * DAY_MS;
/** Sessions ended in one turn of the expiry sweep. */
export const SWEEP_BATCH = 256;

/** RFC 9068 tokens are good for so long at most: a revocation that nobody heard of does no more harm than this. */
export const MAX_TOKEN_LIFETIME_MS = 10 * 60_000;
/** Resources that one token may be for, and the characters of each. */
export const MAX_AUDIENCES = 64;
export const MAX_AUDIENCE_CHARACTERS = 512;
/** Bytes of a token that is looked at. */
export const MAX_TOKEN_CHARACTERS = 8 * 1024;
/** Token sessions of one principal that are open, or were opened within a token's life: what gateways keep of them is bounded. */
export const MAX_TOKEN_SESSIONS = 1024;
/** Characters of a client's id: it may be a URL (client ID metadata documents). */
export const MAX_CLIENT_ID_CHARACTERS = 1024;

/** NIST SP 800-63B-4 section 3.1.1.2 asks for 15 where a password is all there is and 8 with a second factor; ours is for development. */
export const MIN_PASSWORD_CHARACTERS = 12;
export const MAX_PASSWORD_CHARACTERS = 256;
/** Argon2id at a time, and waiting: libuv's threads are shared with TLS and files. */
export const MAX_HASHES_AT_A_TIME = 2;
export const MAX_HASHES_WAITING = 64;
