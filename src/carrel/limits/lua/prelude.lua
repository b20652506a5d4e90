-- What every script begins with: Redis's own time, and debts (see rate.py).
-- ARGV[1] is added to the time, in ms: tests travel with it.
local PERIOD = 60000
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]

-- Lua would write large numbers as 1e+15.
local function digits(number)
  return string.format('%.0f', number)
end

local function debt_of(key, limit)
  local state = redis.call('GET', key)
  if not state then return 0 end
  local at, debt = string.match(state, '^(%d+):(%d+)$')
  return math.max(0, debt - math.max(0, now - at) * limit)
end

local function owe(key, limit, debt)
  if debt <= 0 then
    redis.call('DEL', key)
  else
    -- Gone by itself when nothing is owed any more.
    redis.call('SET', key, digits(now) .. ':' .. digits(debt), 'PX', digits(math.ceil(debt / limit) + 1))
  end
end

-- A hold is a member "amount:request" of a sorted set, by the time at which it lapses.
local function hold(amount, request)
  return digits(amount) .. ':' .. request
end

local function amount_of(member)
  return tonumber(string.match(member, '^%d+'))
end

-- What is known of a request is 'h:<amount>' while it holds money, then 's': settled.
local SETTLED = 's'
