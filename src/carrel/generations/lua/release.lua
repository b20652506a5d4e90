-- Leads no more: whoever reads may begin again at once.
-- ARGV[6]: the attempt.
local attempt, ended = unpack(redis.call('HMGET', state, 'attempt', 'end'))
redis.call('ZREM', readers, reader)
if attempt == ARGV[6] and not ended then
  redis.call('HSET', state, 'until', 0, 'tries', 0)
  touch()
end
return 1
