/**
 * The scripts of the shared replay guard. Each is atomic in Redis, refused whole when the server is out of memory (a
 * script that declares itself, as these do, is checked before it starts), and touches the keys of one session only:
 *
 * - `{sid}:s` state: g generation, v version, inc incarnation, na end, rv revoked, hi highest sequence, w window
 *   (128 bytes; empty = nothing missing), lost, nt turn of the nonce sets, b bt bn fb the two generations of `d` (which is
 *   young, since when, how many, and what may be forgotten), kl lg what an incarnation may have lost, rb bytes kept
 * - `{sid}:n0 n1 n2` nonces of three 30 s turns
 * - `{sid}:q` claims that run: correlation → digest 32 | gateway 16 | admission u64 | generation u32 | 5 bytes more
 * - `{sid}:d0 d1` claims that are done: correlation → digest 32 [| blob 8 | offset u32 | length u32]
 * - `{sid}:r`, `{sid}:o` sealed blobs of answers, and their order: blob → time f64 | bytes; blob | length u32 | time f64
 * - `{sid}:rec` the sealed session record
 *
 * A value above 64 bytes makes a hash a hash table: short ones are lists that are searched from the front, three times as
 * slow for a frame. Hence the bytes more, and a field without name in `d`.
 *
 * The incarnation is read where it is used (PROTOCOL.md "Redis failover"): a failover keeps connections and an instance's
 * id while acknowledged writes are lost, so nothing outside the script can know it. `INFO` with these two sections costs
 * 4 µs inside a script (measured, Redis 7.0).
 */
import { createHash } from 'node:crypto';
import { WINDOW_SPAN } from '@sallyport/channel';
import { ADMIT } from './redis-admit-script.ts';
import {
  LOST_MARGIN_MS,
  MAX_KEPT_BYTES,
  PRELUDE,
  RESPONSE_MS,
  REVOKED_AHEAD_MS,
  TTL_MARGIN_MS,
} from './redis-script-limits.ts';

export type RedisScript = { readonly text: string; readonly sha1: string };

/**
 * KEYS s rec. ARGV now, notAfter, expected generation (empty: a session that opens), first sequence, record (the last two
 * with an expected generation). Answers a refusal's name, or ok, generation, version.
 */
const ATTACH = `${PRELUDE}
local s, now, na = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local inc = incarnation()
local f = redis.call('HMGET', s, 'rv', 'inc', 'g', 'v', 'na', 'hi', 'lost', 'w')
local g = tonumber(f[3])
if ARGV[3] ~= '' then
  if f[1] then return {'revoked'} end
  if not g then return {'session_unknown'} end
  if now > tonumber(f[5]) then return {'expired'} end
  if g ~= tonumber(ARGV[3]) then return {'superseded'} end
end
if not g then
  redis.call('HSET', s, 'g', 1, 'v', 1, 'inc', inc, 'na', na, 'hi', 0, 'w', '', 'lost', 0, 'nt', -1,
    'b', 0, 'bt', now, 'bn', 0, 'fb', 0, 'kl', 0, 'lg', 0, 'rb', 0)
  redis.call('PEXPIRE', s, ttl(na, now))
  return {'ok', 1, 1}
end
local v = f[4] + 1
redis.call('HSET', s, 'g', g + 1, 'v', v)
if inc ~= f[2] then
  redis.call('HSET', s, 'inc', inc, 'kl', now + ${LOST_MARGIN_MS}, 'lg', g + 1)
end
if ARGV[3] ~= '' then
  -- docs/protocol.md section 8.6: what came before the new epoch has come or is lost.
  local hi, w, lost = tonumber(f[6]), f[8], tonumber(f[7])
  if w ~= '' then
    for seq = math.max(1, hi - ${WINDOW_SPAN - 1}), hi do
      local at = seq % ${WINDOW_SPAN}
      if bit.band(string.byte(w, math.floor(at / 8) + 1), bit.lshift(1, at % 8)) == 0 then lost = lost + 1 end
    end
  end
  local through = math.max(hi, tonumber(ARGV[4]) - 1)
  redis.call('HSET', s, 'hi', through, 'w', '', 'lost', lost + through - hi)
  redis.call('SET', KEYS[2], ARGV[5], 'PX', ttl(na, now))
end
return {'ok', g + 1, v}`;

/** KEYS s rec. ARGV now, generation, record. */
const SAVE = `${PRELUDE}
local f = redis.call('HMGET', KEYS[1], 'g', 'na')
if f[1] ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ttl(tonumber(f[2]), tonumber(ARGV[1])))
return 1`;

/** KEYS s rec. Answers revoked, or ok, generation, highest, record; or ok alone when there is no such session. */
const FIND = `#!lua flags=no-writes
local f = redis.call('HMGET', KEYS[1], 'rv', 'g', 'hi')
if f[1] then return {'revoked'} end
local record = redis.call('GET', KEYS[2])
if not f[2] or not record then return {'ok'} end
return {'ok', tonumber(f[2]), tonumber(f[3]), record}`;

/**
 * KEYS s q d0 d1 r o. ARGV now, gateway 16 | last admission u64, blob, sealed (may be empty), state u8 | offset u32 | length
 * u32 for each, then their correlations. Whoever holds the claim concludes it, attached or not; what is not running any more
 * is left as it is, and so is what a later admission claimed: a call that comes late must not take a resend's claim away.
 */
const CONCLUDE = `${PRELUDE}
local s, q = KEYS[1], KEYS[2]
local f = redis.call('HMGET', s, 'g', 'v', 'na', 'b', 'bn', 'rb')
if not f[1] then return {'session_unknown'} end
local now, na, blob, sealed = tonumber(ARGV[1]), tonumber(f[3]), ARGV[3], ARGV[4]
local places, gateway = ARGV[5], string.sub(ARGV[2], 1, 16)
local lastHigh, lastLow = struct.unpack('>I4I4', ARGV[2], 17)
local function isConcluded(claim)
  if string.sub(claim, 33, 48) ~= gateway then return false end
  local high, low = struct.unpack('>I4I4', claim, 49)
  return high < lastHigh or (high == lastHigh and low <= lastLow)
end
local running = redis.call('HMGET', q, unpack(ARGV, 6))
local gone, done, kept = {}, {'', FILLER}, 0
for i = 1, #ARGV - 5 do
  local claim = running[i]
  if claim and isConcluded(claim) then
    local correlation, at = ARGV[5 + i], (i - 1) * 9
    gone[#gone + 1] = correlation
    if string.byte(places, at + 1) == 1 then
      local length = struct.unpack('>I4', places, at + 6)
      kept = kept + length
      done[#done + 1] = correlation
      local digest = string.sub(claim, 1, 32)
      done[#done + 1] = length > 0 and digest .. blob .. string.sub(places, at + 2, at + 9) or digest
    end
  end
end
local v, life = tonumber(f[2]), ttl(na, now)
if #gone == 0 then return {'ok', v} end
v = v + 1
redis.call('HDEL', q, unpack(gone))
local rb = tonumber(f[6])
if #done > 2 then
  local young = KEYS[3 + tonumber(f[4])]
  redis.call('HSET', young, unpack(done))
  redis.call('PEXPIRE', young, life)
end
if kept > 0 then
  redis.call('HSET', KEYS[5], blob, struct.pack('>d', now) .. sealed)
  local blobs = redis.call('RPUSH', KEYS[6], blob .. struct.pack('>I4d', #sealed, now))
  rb = (blobs == 1 and 0 or rb) + #sealed
  while true do
    local oldest = redis.call('LINDEX', KEYS[6], 0)
    local length, since = struct.unpack('>I4d', oldest, 9)
    if rb <= ${MAX_KEPT_BYTES} and since + ${RESPONSE_MS} >= now then break end
    redis.call('LPOP', KEYS[6])
    redis.call('HDEL', KEYS[5], string.sub(oldest, 1, 8))
    rb = rb - length
  end
  redis.call('PEXPIRE', KEYS[5], ${RESPONSE_MS + TTL_MARGIN_MS})
  redis.call('PEXPIRE', KEYS[6], ${RESPONSE_MS + TTL_MARGIN_MS})
end
redis.call('HSET', s, 'v', v, 'bn', f[5] + #done / 2 - 1, 'rb', rb)
return {'ok', v}`;

/** KEYS d0 d1 r. ARGV now, correlation. Nothing, or blob, offset, length, sealed. */
const RESPONSE = `#!lua flags=no-writes
local done = redis.call('HGET', KEYS[1], ARGV[2]) or redis.call('HGET', KEYS[2], ARGV[2])
if not done or #done == 32 then return {} end
local blob = string.sub(done, 33, 40)
local kept = redis.call('HGET', KEYS[3], blob)
if not kept or struct.unpack('>d', kept) + ${RESPONSE_MS} < tonumber(ARGV[1]) then return {} end
local offset, length = struct.unpack('>I4I4', done, 41)
return {blob, offset, length, string.sub(kept, 9)}`;

/** KEYS s q. ARGV generation, correlation, holder that was, holder that is. 1 when the claim is ours now. */
const TAKE_OVER = `${PRELUDE}
local f = redis.call('HMGET', KEYS[1], 'g', 'v', 'rv', 'inc')
if f[3] or tonumber(f[1]) ~= tonumber(ARGV[1]) or f[4] ~= incarnation() then return {0, 0} end
local claim = redis.call('HGET', KEYS[2], ARGV[2])
if not claim or string.sub(claim, 33, 56) ~= ARGV[3] then return {0, tonumber(f[2])} end
redis.call('HSET', KEYS[2], ARGV[2], string.sub(claim, 1, 32) .. ARGV[4] .. struct.pack('>I4', tonumber(f[1])) .. HASHED)
redis.call('HSET', KEYS[1], 'v', f[2] + 1)
return {1, f[2] + 1}`;

/** KEYS s. */
const REVOKE = `#!lua
redis.call('HSET', KEYS[1], 'rv', 1)
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ${REVOKED_AHEAD_MS}) end
return 1`;

/** KEYS all of the session's, s first. ARGV generation. */
const CLOSE = `#!lua
if redis.call('HGET', KEYS[1], 'g') == ARGV[1] then redis.call('UNLINK', unpack(KEYS)) end
return 1`;

const script = (text: string): RedisScript => ({
  text,
  sha1: createHash('sha1').update(text).digest('hex'),
});

export const SCRIPTS = {
  attach: script(ATTACH),
  save: script(SAVE),
  find: script(FIND),
  admit: script(ADMIT),
  conclude: script(CONCLUDE),
  response: script(RESPONSE),
  takeOver: script(TAKE_OVER),
  revoke: script(REVOKE),
  close: script(CLOSE),
} as const;
