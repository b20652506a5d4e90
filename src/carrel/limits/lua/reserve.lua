-- Holds money for a request on all its accounts, or on none.
-- KEYS[1]: what is known of the request. Then for each account: the account, its holds.
-- ARGV[2..6]: the request, what it wants, the least it takes, the hold's lease (ms), how
--   long requests are remembered (ms). Then for each account what may be spent on it.
-- Answers {'granted', amount, silent accounts...}, {'exhausted', account},
--   {'unknown', now, accounts...}, {'silent', accounts...} or {'settled'}. Accounts are
--   numbers from 1. One is silent if it has a hold that was not renewed: its holder is dead,
--   and how much of it was spent only the ledger can know. So it counts until then.
local request, wanted, least = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local lease, remembered = tonumber(ARGV[5]), tonumber(ARGV[6])

local known = redis.call('GET', KEYS[1])
if known == SETTLED then return {'settled'} end
if known then return {'granted', tonumber(string.sub(known, 3))} end

local accounts = (#KEYS - 1) / 2
local amount, tightest = wanted, 0
local unknown, silent, blocked = {}, {}, {}

for i = 1, accounts do
  local account, holds = KEYS[2 * i], KEYS[2 * i + 1]
  local spent, held = unpack(redis.call('HMGET', account, 'spent', 'held'))
  -- The holds may have expired as a whole, or been evicted.
  if not spent or (held ~= '0' and redis.call('EXISTS', holds) == 0) then
    unknown[#unknown + 1] = i
  else
    local left = ARGV[6 + i] - spent - held
    if redis.call('ZCOUNT', holds, '-inf', now) > 0 then
      silent[#silent + 1] = i
      if left < least then blocked[#blocked + 1] = i end
    end
    if left < amount then amount, tightest = left, i end
  end
end

if #unknown > 0 then return {'unknown', now, unpack(unknown)} end
if #blocked > 0 then return {'silent', unpack(blocked)} end
if amount < least then return {'exhausted', tightest} end

for i = 1, accounts do
  redis.call('HINCRBY', KEYS[2 * i], 'held', amount)
  redis.call('ZADD', KEYS[2 * i + 1], now + lease, hold(amount, request))
  redis.call('PEXPIRE', KEYS[2 * i + 1], lease + remembered)
end
redis.call('SET', KEYS[1], 'h:' .. digits(amount), 'PX', remembered)
return {'granted', amount, unpack(silent)}
