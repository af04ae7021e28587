-- Every version of these answers is in production. The rows of one answer share fetched_at and were committed together,
-- so whoever read one of them read them all; those in error say so already.
UPDATE {staging}
SET sync_status = 'processed', processed_at = now(), attempts = attempts + 1
WHERE sync_status = 'pending' AND rejected_at IS NULL AND fetched_at = ANY (%s)
