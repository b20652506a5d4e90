-- Takes note of what the ledger says was spent on an account: at least that much was.
-- KEYS: the account, its holds, what was spent while the account was not known.
-- ARGV[2..5]: the ledger's sum, when it was asked (ms), its delay (ms), how long the
--   account is kept (ms).
local account, holds, late = KEYS[1], KEYS[2], KEYS[3]
local sum, asked, delay = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local held = 0
for _, member in ipairs(redis.call('ZRANGE', holds, 0, -1)) do
  held = held + amount_of(member)
end
redis.call('HSET', account, 'held', held)

local spent = redis.call('HGET', account, 'spent')
if spent then
  if tonumber(spent) < sum then redis.call('HSET', account, 'spent', sum) end
  return 1
end

-- Whatever ended shortly before the ledger was asked may not have been in it yet. Counting
-- some of it twice is safe; not counting it would not be.
for _, member in ipairs(redis.call('ZRANGEBYSCORE', late, asked - delay, '+inf')) do
  sum = sum + amount_of(member)
end
redis.call('HSET', account, 'spent', sum, 'since', now)
redis.call('PEXPIRE', account, ARGV[5])
redis.call('DEL', late)
return 1
