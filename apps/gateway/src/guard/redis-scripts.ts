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
import { FRESHNESS_MS, WINDOW_SPAN } from '@sallyport/channel';

export type RedisScript = { readonly text: string; readonly sha1: string };

export const RETENTION_MS = 5 * 60_000;
export const RESPONSE_MS = 120_000;
export const MAX_RESPONSE_BYTES = 64 * 1024;
export const MAX_KEPT_BYTES = 1024 * 1024;
/** A generation of finished claims that is full is followed by the next before its time. */
const MAX_GENERATION = 65_536;
/** One gateway works on at most 1,024 messages of a session at once; the rest are those of gateways that died. */
const MAX_RUNNING = 8_192;
/** How much longer than the session its keys are kept. */
const TTL_MARGIN_MS = 60_000;
/** Twice as long as a nonce can matter. */
const NONCE_TTL_MS = 180_000;
/** A revocation that came before its session: as long as an opening can take, many times over. */
const REVOKED_AHEAD_MS = 600_000;
/** A message's time may be ahead by the freshness, and so may that of the gateway that noticed (PROTOCOL.md). */
const LOST_MARGIN_MS = 2 * FRESHNESS_MS;

/** Flags of a packed record; `redis-wire.ts` packs them. */
export const RECORD_FLAGS = { request: 1, resend: 2 } as const;

const PRELUDE = `#!lua
local HASHED, FILLER = '${'-'.repeat(5)}', '${'-'.repeat(65)}'
local function incarnation()
  local info = redis.call('INFO', 'server', 'replication')
  local _, run = string.find(info, '\\nrun_id:', 1, true)
  local _, replication = string.find(info, '\\nmaster_replid:', run, true)
  return string.sub(info, run + 1, run + 40) .. string.sub(info, replication + 1, replication + 40)
end
local function ttl(na, now) return math.max(1000, na - now + ${TTL_MARGIN_MS}) end
`;

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
 * KEYS s n0 n1 n2 q d0 d1. ARGV generation, least version, now, first sequence (0: they do not follow each other), flags (a
 * byte for each record), sequence u64 | first sent u64 for each record, then nonces, then correlation and claim for each
 * record with a flag. Answers a refusal's name, or ok, version, highest, lost, a letter for each record, window, holders
 * of running claims.
 *
 * What nearly every frame is (in order, nothing seen before, no resend) takes the short way through each part.
 */
const ADMIT = `${PRELUDE}
local s, q = KEYS[1], KEYS[5]
local f = redis.call('HMGET', s, 'rv', 'inc', 'g', 'v', 'na', 'hi', 'lost', 'w', 'nt', 'b', 'bt', 'bn', 'fb', 'kl', 'lg')
if f[1] then return {'revoked'} end
if not f[3] then return {'session_unknown'} end
if incarnation() ~= f[2] then return {'epoch_required'} end
local g, own, now = tonumber(f[3]), tonumber(ARGV[1]), tonumber(ARGV[3])
local na = tonumber(f[5])
if now > na then return {'expired'} end
if g > own then return {'superseded'} end
if g < own or tonumber(f[4]) < tonumber(ARGV[2]) then return {'epoch_required'} end

local changed = {}
local function change(field, value) changed[#changed + 1] = field; changed[#changed + 1] = value end

-- Nonces: the sets that no fresh message can be in are dropped. A clock set back keeps those it has.
local nt, turn = tonumber(f[9]), math.floor(now / ${FRESHNESS_MS})
if turn > nt then
  local stale = {}
  for step = math.max(nt + 1, turn - 2), turn do stale[#stale + 1] = KEYS[2 + step % 3] end
  if nt >= 0 then redis.call('UNLINK', unpack(stale)) end
  nt = turn
  change('nt', nt)
end
-- Finished claims: the older generation is dropped.
local b, bt, bn, fb = tonumber(f[10]), tonumber(f[11]), tonumber(f[12]), tonumber(f[13])
if now - bt >= ${RETENTION_MS} or bn >= ${MAX_GENERATION} then
  b, fb, bt, bn = 1 - b, bt, now, 0
  redis.call('UNLINK', KEYS[6 + b])
  change('b', b) change('bt', bt) change('bn', bn) change('fb', fb)
end

local flags = ARGV[5]
local n = #flags
local from, claimsFrom = 7, 7 + n
local hi, lost, w = tonumber(f[6]), tonumber(f[7]), f[8]

local isKnown = false
local seen = {}
for set = 2, 4 do
  local members = redis.call('SMISMEMBER', KEYS[set], unpack(ARGV, from, from + n - 1))
  for i = 1, n do
    if members[i] == 1 then isKnown = true; seen[ARGV[from + i - 1]] = true end
  end
end
local nonces = KEYS[2 + nt % 3]
local isInOrder = false
if not isKnown and w == '' and tonumber(ARGV[4]) == hi + 1 then
  isInOrder = redis.call('SADD', nonces, unpack(ARGV, from, from + n - 1)) == n
  redis.call('PEXPIRE', nonces, ${NONCE_TTL_MS})
end

local letters, asked, at
if isInOrder then
  hi = hi + n
else
  -- docs/protocol.md section 8.2. bits is nil as long as everything was accepted.
  local bits = nil
  local function load()
    if bits then return end
    bits = {}
    for i = 1, ${WINDOW_SPAN / 8} do bits[i] = w == '' and 255 or string.byte(w, i) end
  end
  if w ~= '' then load() end
  local function place(seq)
    local position = seq % ${WINDOW_SPAN}
    return math.floor(position / 8) + 1, bit.lshift(1, position % 8)
  end
  local function isSeen(seq) local byte, mask = place(seq); return bit.band(bits[byte], mask) ~= 0 end
  local function mark(seq, on)
    local byte, mask = place(seq)
    bits[byte] = on and bit.bor(bits[byte], mask) or bit.band(bits[byte], 255 - mask)
  end
  local function judge(seq)
    if seq > hi then return seq - hi <= ${WINDOW_SPAN} and 'n' or 't' end
    if seq <= hi - ${WINDOW_SPAN} or seq < 1 then return 's' end
    if not bits or isSeen(seq) then return 'd' end
    return 'n'
  end
  local function accept(seq)
    if not bits and seq == hi + 1 then hi = seq return end
    load()
    for skipped = hi + 1, seq do
      if not isSeen(skipped) then lost = lost + 1 end
      mark(skipped, false)
    end
    hi = math.max(hi, seq)
    mark(seq, true)
  end
  letters, asked, at = {}, {}, {}
  local fresh, claim = {}, claimsFrom
  for i = 1, n do
    local high, low = struct.unpack('>I4I4', ARGV[6], (i - 1) * 16 + 1)
    local seq, nonce = high * 4294967296 + low, ARGV[from + i - 1]
    local verdict = judge(seq)
    if verdict == 'n' and seen[nonce] then verdict = 'd' end
    local isRequest = string.byte(flags, i) ~= 0
    if verdict == 'n' then
      accept(seq)
      seen[nonce] = true
      fresh[#fresh + 1] = nonce
      if isRequest then asked[#asked + 1] = claim; at[#at + 1] = i end
    end
    if isRequest then claim = claim + 2 end
    letters[i] = verdict
  end
  if #fresh > 0 then
    redis.call('SADD', nonces, unpack(fresh))
    redis.call('PEXPIRE', nonces, ${NONCE_TTL_MS})
  end
  if bits then
    local isFull = true
    for i = 1, ${WINDOW_SPAN / 8} do if bits[i] ~= 255 then isFull = false break end end
    w = isFull and '' or string.char(unpack(bits))
    change('w', w) change('lost', lost)
  end
end

local holders, count = {}, asked and #asked or (#ARGV - claimsFrom + 1) / 2
if count > 0 then
  local correlations = {}
  for k = 1, count do correlations[k] = ARGV[asked and asked[k] or claimsFrom + 2 * k - 2] end
  local none = {}
  local running = redis.call('HMGET', q, unpack(correlations))
  local young = bn > 0 and redis.call('HMGET', KEYS[6 + b], unpack(correlations)) or none
  local old = fb > 0 and redis.call('HMGET', KEYS[7 - b], unpack(correlations)) or none
  local room = ${MAX_RUNNING} - redis.call('HLEN', q)
  local isClaimed = isInOrder and room >= count and not string.find(flags, '${String.fromCharCode(3)}', 1, true)
  if isClaimed then
    for k = 1, count do if running[k] or young[k] or old[k] then isClaimed = false break end end
  end
  local mine, claims = {}, {}
  -- Fewer than were named: one was named twice, and the long way sorts them out.
  if isClaimed then isClaimed = redis.call('HSET', q, unpack(ARGV, claimsFrom)) == count end
  if not isClaimed then
    if not letters then
      letters, at = {}, {}
      for i = 1, n do
        letters[i] = 'n'
        if string.byte(flags, i) ~= 0 then at[#at + 1] = i end
      end
    end
    local known, lg = math.max(math.max(now - ${RETENTION_MS}, fb) + ${FRESHNESS_MS}, tonumber(f[14])), tonumber(f[15])
    for k = 1, count do
      local i, correlation = at[k], correlations[k]
      local value = ARGV[(asked and asked[k] or claimsFrom + 2 * k - 2) + 1]
      local digest = string.sub(value, 1, 32)
      local claim, done = mine[correlation] or running[k], young[k] or old[k]
      if done then
        letters[i] = string.sub(done, 1, 32) == digest and 'D' or 'c'
      elseif claim then
        if string.sub(claim, 1, 32) ~= digest then letters[i] = 'c'
        elseif struct.unpack('>I4', claim, 57) < lg then letters[i] = 'u'
        else
          letters[i] = 'r'
          holders[#holders + 1] = string.sub(claim, 33, 56)
        end
      else
        local sentHigh, sentLow = struct.unpack('>I4I4', ARGV[6], (i - 1) * 16 + 9)
        local isResend = string.byte(flags, i) >= ${RECORD_FLAGS.resend}
        if isResend and sentHigh * 4294967296 + sentLow < known then
          letters[i] = 'u'
        elseif room <= 0 then
          letters[i] = 'b'
        else
          room = room - 1
          mine[correlation] = value
          claims[#claims + 1] = correlation
          claims[#claims + 1] = value
        end
      end
    end
    if #claims > 0 then redis.call('HSET', q, unpack(claims)) end
  end
  redis.call('PEXPIRE', q, ttl(na, now))
end

local v = f[4] + 1
redis.call('HSET', s, 'v', v, 'hi', hi, unpack(changed))
return {'ok', v, hi, lost, letters and table.concat(letters) or '', w, table.concat(holders)}`;

/**
 * KEYS s q d0 d1 r o. ARGV now, gateway, blob, sealed (may be empty), state u8 | offset u32 | length u32 for each, then
 * their correlations. Whoever holds the claim concludes it, attached or not; what is not running any more is left as it is.
 */
const CONCLUDE = `${PRELUDE}
local s, q = KEYS[1], KEYS[2]
local f = redis.call('HMGET', s, 'g', 'v', 'na', 'b', 'bn', 'rb')
if not f[1] then return {'session_unknown'} end
local now, na, blob, sealed = tonumber(ARGV[1]), tonumber(f[3]), ARGV[3], ARGV[4]
local places, gateway = ARGV[5], ARGV[2]
local running = redis.call('HMGET', q, unpack(ARGV, 6))
local gone, done, kept = {}, {'', FILLER}, 0
for i = 1, #ARGV - 5 do
  local claim = running[i]
  if claim and string.sub(claim, 33, 48) == gateway then
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

/**
 * What an ACL user of the guard may do: the rules of `ACL SETUSER`, without name and password. Of the sentinels it needs
 * `SENTINEL_ACL`.
 */
export const REDIS_ACL = [
  '~{*}:*',
  '~gw:*',
  'resetchannels',
  '-@all',
  ...'eval evalsha script|load info ping role hello auth hmget hset hget hdel hlen smismember sadd pexpire pttl'.split(
    ' ',
  ),
  ...'unlink rpush lpop lindex set get exists cluster|slots cluster|shards asking'.split(' '),
].map((rule) => (/^[a-z]/u.test(rule) && rule !== 'resetchannels' ? `+${rule}` : rule));

export const SENTINEL_ACL = [
  'resetchannels',
  '-@all',
  '+hello',
  '+auth',
  '+ping',
  '+sentinel|get-master-addr-by-name',
];
