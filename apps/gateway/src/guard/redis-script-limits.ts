/** Bounds that the scripts share with each other and with what feeds them. */
import { FRESHNESS_MS } from '@sallyport/channel';

export const RETENTION_MS = 5 * 60_000;
export const RESPONSE_MS = 120_000;
export const MAX_RESPONSE_BYTES = 64 * 1024;
export const MAX_KEPT_BYTES = 1024 * 1024;
/** A generation of finished claims that is full is followed by the next before its time. */
export const MAX_GENERATION = 65_536;
/** One gateway works on at most 1,024 messages of a session at once; the rest are those of gateways that died. */
export const MAX_RUNNING = 8_192;
/** How much longer than the session its keys are kept. */
export const TTL_MARGIN_MS = 60_000;
/** Twice as long as a nonce can matter. */
export const NONCE_TTL_MS = 180_000;
/** A revocation that came before its session: as long as an opening can take, many times over. */
export const REVOKED_AHEAD_MS = 600_000;
/** A message's time may be ahead by the freshness, and so may that of the gateway that noticed (PROTOCOL.md). */
export const LOST_MARGIN_MS = 2 * FRESHNESS_MS;

/** Flags of a packed record; `redis-wire.ts` packs them. */
export const RECORD_FLAGS = { request: 1, resend: 2 } as const;

/** What each script begins with. `HASHED` and `FILLER` make hash tables of hashes (`redis-scripts.ts`). */
export const PRELUDE = `#!lua
local HASHED, FILLER = '${'-'.repeat(5)}', '${'-'.repeat(65)}'
local function incarnation()
  local info = redis.call('INFO', 'server', 'replication')
  local _, run = string.find(info, '\\nrun_id:', 1, true)
  local _, replication = string.find(info, '\\nmaster_replid:', run, true)
  return string.sub(info, run + 1, run + 40) .. string.sub(info, replication + 1, replication + 40)
end
local function ttl(na, now) return math.max(1000, na - now + ${TTL_MARGIN_MS}) end
`;
