-- Leads another attempt, if the last one's leader has lapsed, or was cut because nobody read.
-- ARGV[6..10]: the digest of the key, the attempt that is to be followed by another, 1 if the
--   reader can lead, how many attempts in a row may die, what it is about as far as is known.
-- Answers {1 if it leads, else 0; attempt; end}, or nil: there is none, and it can't lead.
local can_lead, most = ARGV[8] == '1', tonumber(ARGV[9])
local attempt, lapses, ended, written, tries = unpack(redis.call('HMGET', state, 'attempt', 'until', 'end', 'written', 'tries'))
if not attempt then
  if not can_lead then return nil end
  attempt, tries = ARGV[7], 0  -- Redis has lost its memory: the first to come begins again
  if ARGV[10] ~= '' then redis.call('HSET', state, 'about', ARGV[10]) end
elseif ended then
  if ended ~= 'cancelled' or not can_lead then return {0, tonumber(attempt), ended} end
  tries = 0
elseif attempt ~= ARGV[7] or tonumber(lapses) > now then
  return {0, tonumber(attempt), ''}
elseif tonumber(tries) >= most or (not can_lead and lapses + lease <= now) then
  -- What kills whoever leads it is not for everyone to try.
  finish(attempt, written, 'lost', '')
  return {0, tonumber(attempt), 'lost'}
elseif not can_lead then
  return {0, tonumber(attempt), ''}
end
attempt = attempt + 1
begin(attempt, tries + 1, ARGV[6])
return {1, attempt, ''}
