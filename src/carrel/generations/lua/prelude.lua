-- What every script begins with.
-- KEYS: a generation's state, its log, its readers (by when they lapse); and, in all scripts
--   but enter.lua, which generation its key is under way with.
-- ARGV[1..5]: what is added to Redis's time (ms; tests travel with it), the generation, the
--   reader that asks, for how long leaders and readers live without a sign of life (ms), how
--   long a log is kept (ms).
-- The state: attempt, tries (attempts in a row that died), until (when the leader lapses),
--   written (how many events), key (the digest of its key), about (what it could be begun again
--   by, where that was given), and, when it has ended, its end.
local state, entries, readers, under_way = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, reader, lease, kept = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]

-- Whatever exists expires: also if everyone who knew of it is dead.
local function touch()
  for _, key in ipairs({state, entries, readers}) do
    redis.call('PEXPIRE', key, lease + kept)
  end
  if redis.call('GET', under_way) == id then redis.call('PEXPIRE', under_way, 4 * lease) end
end

local function begin(attempt, tries, digest)
  redis.call('HSET', state, 'attempt', attempt, 'tries', tries, 'written', 0, 'key', digest,
    'until', string.format('%.0f', now + lease))
  redis.call('HDEL', state, 'end')
  redis.call('XADD', entries, attempt .. '-0', 'begin', '')
  redis.call('ZADD', readers, now + lease, reader)
  if redis.call('EXISTS', under_way) == 0 then redis.call('SET', under_way, id) end
  touch()
end

local function finish(attempt, written, reason, payload)
  redis.call('XADD', entries, attempt .. '-' .. written + 1, 'end', reason, 'payload', payload)
  redis.call('HSET', state, 'end', reason)
  touch()
  redis.call('DEL', readers)
  if redis.call('GET', under_way) == id then redis.call('DEL', under_way) end
end
