-- Ends a request: its leases and hold go, and what it really took is counted.
-- KEYS: its leases; then its tokens; then, if it held money: what is known of the request,
--   and for each account: the account, its holds, what was spent while it was not known.
-- ARGV[2..9]: the request that held money, what it held, what it spent, how long ago it
--   ended (ms), the ledger's delay (ms), how long requests are remembered (ms), the request
--   that was admitted, the number of its leases.
--   Then for each tokens key: the limit, and the tokens to add to those charged.
local request, spent = ARGV[2], tonumber(ARGV[4])
local ended, delay, remembered = now - ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local leases, changes = tonumber(ARGV[9]), (#ARGV - 9) / 2

for i = 1, leases do
  redis.call('ZREM', KEYS[i], ARGV[8])
end

for i = 1, changes do
  local key, limit = KEYS[leases + i], tonumber(ARGV[8 + 2 * i])
  owe(key, limit, debt_of(key, limit) + ARGV[9 + 2 * i] * PERIOD)
end

local money = leases + changes + 1
if money > #KEYS then return 1 end

-- Once: to be told again changes nothing, and what has been settled cannot be held.
local known = redis.call('GET', KEYS[money])
if known == SETTLED then return 0 end
redis.call('SET', KEYS[money], SETTLED, 'PX', remembered)

local member = hold(known and string.sub(known, 3) or ARGV[3], request)
for i = money + 1, #KEYS, 3 do
  local account, holds, late = KEYS[i], KEYS[i + 1], KEYS[i + 2]
  local removed = redis.call('ZREM', holds, member)
  local since, reaped = unpack(redis.call('HMGET', account, 'since', 'reaped:' .. request))
  if since then
    if removed == 1 then redis.call('HINCRBY', account, 'held', 0 - amount_of(member)) end
    -- What ended well before the account was learnt from the ledger was in the ledger.
    if since - ended <= delay then
      redis.call('HINCRBY', account, 'spent', spent - (reaped or 0))
    end
  elseif spent > 0 then
    redis.call('ZADD', late, ended, hold(spent, request))
    redis.call('PEXPIRE', late, remembered)
  end
end
return 1
