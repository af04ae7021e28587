-- Say why, and when the next try is: after 1, 2, 4, … minutes, at most 6 hours. A row that was edited meanwhile is due
-- at once.
UPDATE {table}
SET sync_error = %(reason)s,
    sync_attempts = least(sync_attempts, 1000000) + 1,
    next_attempt_at = clock_timestamp() + least(interval '1 minute' * power(2, least(sync_attempts, 10)), interval '6 hours')
WHERE {key} = ANY (%(records)s::text[]) AND (%(revision)s::bigint IS NULL OR revision = %(revision)s)
