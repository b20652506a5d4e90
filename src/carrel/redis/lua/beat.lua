-- Tells the others that a replica lives, and learns how many do.
-- KEYS: the living (until when, by replica); the mark of this Redis's memory; the places of
--   the living (until when, by place).
-- ARGV: the replica, how long it counts as living (ms), how long the mark lasts (ms), its
--   place, or nothing.
-- Answers {how many live, the mark, its age in ms}.

-- The mark is gone when Redis lost its memory, and another when Redis was started
-- from a copy of its memory, which may be an old one.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''

redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if ARGV[4] ~= '' then
  redis.call('ZADD', KEYS[3], now + ARGV[2], ARGV[4])
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
  redis.call('PEXPIRE', KEYS[3], ARGV[2])
end

local mark = redis.call('GET', KEYS[2])
if not mark or string.match(mark, '^%w*') ~= run then
  mark = run .. ':' .. string.format('%.0f', now)
end
redis.call('SET', KEYS[2], mark, 'PX', ARGV[3])
return {redis.call('ZCARD', KEYS[1]), mark, now - string.match(mark, '%d+$')}
