-- Reads a generation from now on.
-- Answers {attempt, ms until the leader lapses, end, digest of the key}, or nil: there is none.
local attempt, lapses, ended, digest = unpack(redis.call('HMGET', state, 'attempt', 'until', 'end', 'key'))
if not attempt then return nil end
if not ended then
  redis.call('ZADD', readers, now + lease, reader)
  redis.call('PEXPIRE', readers, lease + kept)
end
return {tonumber(attempt), lapses - now, ended or '', digest}
