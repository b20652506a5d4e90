-- Holds money for a request on all its accounts, or on none.
-- KEYS[1]: what is known of the request. Then for each account: the account, its holds.
-- ARGV[2..6]: the request, what it wants, the least it takes, the hold's lease (ms), how
--   long requests are remembered (ms). Then for each account what may be spent on it.
-- Answers {'granted', now, amount, accounts to look after...}, {'exhausted', now, account},
--   {'unknown', now, accounts...} or {'settled'}. Accounts are numbers from 1.
local request, wanted, least = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local lease, remembered = tonumber(ARGV[5]), tonumber(ARGV[6])

local known = redis.call('GET', KEYS[1])
if known == SETTLED then return {'settled'} end
if known then return {'granted', now, tonumber(string.sub(known, 3))} end

local accounts = (#KEYS - 1) / 2
local amount, tightest, stale = wanted, 0, {}
local unknown = {}

for i = 1, accounts do
  local account, holds = KEYS[2 * i], KEYS[2 * i + 1]
  local spent, held = unpack(redis.call('HMGET', account, 'spent', 'held'))
  -- A hold whose time is over was of a replica that died: how much of it was spent only the
  -- ledger can know, so it stays until the ledger was asked. Holds may also have expired as
  -- a whole, or been evicted.
  local lapsed = redis.call('ZCOUNT', holds, '-inf', now) > 0
    or (spent and held ~= '0' and redis.call('EXISTS', holds) == 0)
  if lapsed or not spent then stale[#stale + 1] = i end
  if not spent then
    unknown[#unknown + 1] = i
  else
    local left = ARGV[6 + i] - spent - held
    if left < amount then amount, tightest = left, i end
    if lapsed and left < least then unknown[#unknown + 1] = i end
  end
end

if #unknown > 0 then return {'unknown', now, unpack(unknown)} end
if amount < least then return {'exhausted', now, tightest} end

for i = 1, accounts do
  redis.call('HINCRBY', KEYS[2 * i], 'held', amount)
  redis.call('ZADD', KEYS[2 * i + 1], now + lease, hold(amount, request))
  redis.call('PEXPIRE', KEYS[2 * i + 1], lease + remembered)
end
redis.call('SET', KEYS[1], 'h:' .. digits(amount), 'PX', remembered)
return {'granted', now, amount, unpack(stale)}
