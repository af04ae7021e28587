-- Rows of which nobody can tell which record they speak of: they say so, as often as others are tried.
UPDATE {table} AS t
SET sync_error = %(reason)s,
    sync_attempts = least(sync_attempts, 1000000) + 1,
    next_attempt_at = clock_timestamp() + least(interval '1 minute' * power(2, least(sync_attempts, 10)), interval '6 hours')
WHERE {t_key} IS NULL AND NOT {hidden} AND (t.needs_sync OR t.sync_error IS NOT NULL)
    AND (%(at_once)s OR t.next_attempt_at IS NULL OR t.next_attempt_at <= clock_timestamp())
