/** The script for each frame; `redis-scripts.ts` has the layout and the others. */
import { FRESHNESS_MS, WINDOW_SPAN } from '@sallyport/channel';
import {
  MAX_GENERATION,
  MAX_RUNNING,
  NONCE_TTL_MS,
  PRELUDE,
  RECORD_FLAGS,
  RETENTION_MS,
} from './redis-script-limits.ts';

/**
 * KEYS s n0 n1 n2 q d0 d1. ARGV generation, least version, now, first sequence (0: they do not follow each other), flags (a
 * byte for each record), sequence u64 | first sent u64 for each record, then nonces, then correlation and claim for each
 * record with a flag. Answers a refusal's name, or ok, version, highest, lost, a letter for each record, window, holders
 * of running claims.
 *
 * What nearly every frame is (in order, nothing seen before, no resend) takes the short way through each part.
 */
export const ADMIT = `${PRELUDE}
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
