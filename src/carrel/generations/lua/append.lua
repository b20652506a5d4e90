-- Writes what a leader has to say. Told twice, it writes once.
-- ARGV[6..9]: the attempt, how many of its events were written before, its end or '', what
--   was said of the end. Then the events.
-- Answers how many events are written; fenced: another leads, or it has ended; or gone: Redis
--   knows nothing of it.
local attempt, ended, written = unpack(redis.call('HMGET', state, 'attempt', 'end', 'written'))
if not attempt then return 'gone' end
if attempt ~= ARGV[6] or ended then return 'fenced' end
written = tonumber(written)
-- A Redis that was started from an older copy of its memory: it is to be told again from there.
if written < tonumber(ARGV[7]) then return written end

local fields = {}
for i = 10 + written - ARGV[7], #ARGV do
  fields[#fields + 1] = 'event'
  fields[#fields + 1] = ARGV[i]
end
if #fields > 0 then
  -- The entry bears the number of its last event.
  written = written + #fields / 2
  redis.call('XADD', entries, attempt .. '-' .. written, unpack(fields))
  redis.call('HSET', state, 'written', written)
end
if ARGV[8] ~= '' then finish(attempt, written, ARGV[8], ARGV[9]) end
return written
