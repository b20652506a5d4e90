-- A sign of life: keeps a request's leases or its hold, and puts back what was lost.
-- KEYS: its leases; then, if it holds money: what is known of the request, and for each
--   account: the account, its holds.
-- ARGV[2..6]: the request, what it holds, the lease (ms), how long requests are
--   remembered (ms), the number of leases.
local request, amount = ARGV[2], tonumber(ARGV[3])
local lease, remembered, leases = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

for i = 1, leases do
  redis.call('ZADD', KEYS[i], now + lease, request)
  redis.call('PEXPIRE', KEYS[i], lease)
end

local money = leases + 1
if money > #KEYS or redis.call('GET', KEYS[money]) == SETTLED then return 0 end
redis.call('SET', KEYS[money], 'h:' .. digits(amount), 'PX', remembered)

for i = money + 1, #KEYS, 2 do
  local account, holds = KEYS[i], KEYS[i + 1]
  local added = redis.call('ZADD', holds, now + lease, hold(amount, request))
  redis.call('PEXPIRE', holds, lease + remembered)
  if added == 1 and redis.call('EXISTS', account) == 1 then
    redis.call('HINCRBY', account, 'held', amount)
  end
end
return 1
