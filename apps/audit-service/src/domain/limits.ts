/** Bounds of what is taken in and given out. */

/** A body is a spool record, and those are at most this long (packages/audit-log). */
export const MAX_BODY_BYTES = 1024 * 1024;
/** Events of one batch. The shipper packs 256 KiB; the smallest real event has some 300 bytes. */
export const MAX_BATCH_EVENTS = 8_192;
/** Postgres counts in signed 64 bits. A producer that numbered a billion events a second would get there in 292 years. */
export const MAX_PRODUCER_SEQ = (1n << 63n) - 1n;

/** Of one transaction: it holds the database's only connection in the embedded profile. */
export const MAX_COMMIT_BYTES = 2 * 1024 * 1024;
export const MAX_COMMIT_ROWS = 8_192;

export const DEFAULT_PAGE_SIZE = 200;
export const MAX_PAGE_SIZE = 1_000;
/** Of events in one answer; a single one may be larger. The edge sends at most 4 MiB. */
export const MAX_ANSWER_EVENT_BYTES = 2 * 1024 * 1024;
/** Of bodies in one message of an export; a single one may be larger. */
export const EXPORT_BYTES = 512 * 1024;
/** Leaves in one message of an export. */
export const CHUNK_LEAVES = 256;
/** Leaves in one step of the tree: some 2 MiB of entries at most, 16 tiles. */
export const TREE_STEP_LEAVES = 4_096;
/** Texts of findings kept for readers; the log has them all. */
export const MAX_FINDINGS = 20;

/** An outcome is recorded within this after its decision, or never: twice the longest time-out that a route may have. */
export const OUTCOME_DUE_MS = 600_000;
