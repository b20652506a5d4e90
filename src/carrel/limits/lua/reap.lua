-- Ends holds that were not renewed in time: what the ledger says was spent counts.
-- KEYS: the account, its holds.
-- ARGV[2..]: for each hold its name, its request, and what was spent.
local account, holds = KEYS[1], KEYS[2]

for i = 2, #ARGV, 3 do
  local member, request, spent = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  local lapses = redis.call('ZSCORE', holds, member)
  if lapses and tonumber(lapses) <= now then
    redis.call('ZREM', holds, member)
    if redis.call('EXISTS', account) == 1 then
      redis.call('HINCRBY', account, 'held', 0 - amount_of(member))
      redis.call('HINCRBY', account, 'spent', spent)
      -- Should its holder be alive after all, finish.lua counts only the rest.
      if spent > 0 then redis.call('HSET', account, 'reaped:' .. request, spent) end
    end
  end
end
return 1
