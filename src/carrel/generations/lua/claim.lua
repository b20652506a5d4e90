-- Leads a new generation, if none of the key is under way.
-- ARGV[6..8]: the digest of the key; a generation that is over, whatever the key says; what
--   the new one is about, for those who resume it.
-- Answers the generation that is under way now.
local current = redis.call('GET', under_way)
if current and current ~= ARGV[7] then return current end
redis.call('DEL', under_way)
begin(1, 1, ARGV[6])
if ARGV[8] ~= '' then redis.call('HSET', state, 'about', ARGV[8]) end
return id
