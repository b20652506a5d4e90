-- A sign of life, or of leaving. A generation that nobody reads is ended, by its leader.
-- ARGV[6..7]: the attempt that is led, or 0; 1 if there are readers here, else 0.
-- Answers {attempt, ms until the leader lapses, end}, or nil: Redis knows nothing of it.
local attempt, lapses, ended, written = unpack(redis.call('HMGET', state, 'attempt', 'until', 'end', 'written'))
if not attempt then return nil end
if ended then return {tonumber(attempt), 0, ended} end

if ARGV[7] == '1' then
  redis.call('ZADD', readers, now + lease, reader)
else
  redis.call('ZREM', readers, reader)
end
redis.call('ZREMRANGEBYSCORE', readers, '-inf', now)
if attempt == ARGV[6] then
  if redis.call('ZCARD', readers) == 0 then
    finish(attempt, written, 'cancelled', '')
    return {tonumber(attempt), 0, 'cancelled'}
  end
  lapses = now + lease
  redis.call('HSET', state, 'until', string.format('%.0f', lapses))
end
touch()
return {tonumber(attempt), lapses - now, ''}
