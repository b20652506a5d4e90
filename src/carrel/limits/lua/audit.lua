-- Raises an account that is known to what the ledger says was spent, if that is more.
-- KEYS: the account, its holds.
-- ARGV[2]: the ledger's sum. Then for each request that is part of it, and held money: its
--   hold, and what it spent. A hold that is still there counts when it ends, not twice.
local account, holds, sum = KEYS[1], KEYS[2], tonumber(ARGV[2])

local spent = redis.call('HGET', account, 'spent')
if not spent then return 0 end

for i = 3, #ARGV, 2 do
  if redis.call('ZSCORE', holds, ARGV[i]) then sum = sum - ARGV[i + 1] end
end
if tonumber(spent) < sum then redis.call('HSET', account, 'spent', digits(sum)) end
return 1
