-- Admits a request to all its scopes, or takes nothing.
-- KEYS: for each scope: requests, tokens, leases.
-- ARGV[2..4]: the request, its tokens, its lease in ms. Then for each scope the limits
--   of requests, tokens and concurrent requests; -1: none.
-- Answers {1 or 0, then for each scope: requests owed, tokens owed, requests running}.
local request, tokens, lease = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local admitted, scopes = true, {}

local function fits(debt, limit, cost)
  return limit > 0 and debt + math.min(cost, limit) * PERIOD <= limit * PERIOD
end

for i = 0, #KEYS / 3 - 1 do
  local scope = {
    keys = {KEYS[1 + 3 * i], KEYS[2 + 3 * i], KEYS[3 + 3 * i]},
    limits = {tonumber(ARGV[5 + 3 * i]), tonumber(ARGV[6 + 3 * i]), tonumber(ARGV[7 + 3 * i])},
    costs = {1, tokens},
    load = {0, 0, 0},
  }
  for kind = 1, 2 do
    if scope.limits[kind] >= 0 then
      scope.load[kind] = debt_of(scope.keys[kind], scope.limits[kind])
      admitted = admitted and fits(scope.load[kind], scope.limits[kind], scope.costs[kind])
    end
  end
  if scope.limits[3] >= 0 then
    redis.call('ZREMRANGEBYSCORE', scope.keys[3], '-inf', now)
    scope.load[3] = redis.call('ZCARD', scope.keys[3])
    admitted = admitted and scope.load[3] < scope.limits[3]
  end
  scopes[#scopes + 1] = scope
end

local answer = {admitted and 1 or 0}
for _, scope in ipairs(scopes) do
  if admitted then
    for kind = 1, 2 do
      if scope.limits[kind] >= 0 then
        scope.load[kind] = scope.load[kind] + scope.costs[kind] * PERIOD
        owe(scope.keys[kind], scope.limits[kind], scope.load[kind])
      end
    end
    if scope.limits[3] >= 0 then
      redis.call('ZADD', scope.keys[3], now + lease, request)
      redis.call('PEXPIRE', scope.keys[3], lease)
      scope.load[3] = scope.load[3] + 1
    end
  end
  for kind = 1, 3 do answer[#answer + 1] = scope.load[kind] end
end
return answer
