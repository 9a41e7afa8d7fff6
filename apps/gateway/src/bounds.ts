/** How long a gateway goes on without news, and how much it keeps for audit-service, as it is written in the files of processes and of deployments. */
import { duration, integer, optional } from '@sallyport/service/config';
import {
  DEAD_AFTER_MS,
  DEFAULT_DEAD_AFTER_MS,
  DEFAULT_POLICY_MAX_AGE_MS,
  POLICY_AGE_MS,
  SPOOL_BYTES,
} from './config.ts';

/** Decisions are denials when the bundle was last known to be the newest longer ago (docs/adr/0056). */
export const policyMaxAge = duration({ default: DEFAULT_POLICY_MAX_AGE_MS, ...POLICY_AGE_MS });

/** Frames are refused, retryably, when nobody could say for so long what is revoked. */
export const revocationsDeadAfter = duration({ default: DEFAULT_DEAD_AFTER_MS, ...DEAD_AFTER_MS });

/** Audit events that may wait, in bytes; beyond them messages are refused (DESIGN.md section 12). */
export const spoolMaxBytes = optional(integer(SPOOL_BYTES));
