-- The holds of an account that were not renewed in time.
-- KEYS: its holds.
-- Answers {"amount:request"...}.
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1000)
