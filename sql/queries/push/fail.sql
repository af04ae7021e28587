-- Say why, and when the next try is: after 1, 2, 4, … minutes, at most 6 hours. An outage is the run's affair: the row
-- stays as due as it was. A row that was edited meanwhile is due at once.
UPDATE {table}
SET sync_error = %(reason)s,
    sync_attempts = CASE WHEN %(is_outage)s THEN sync_attempts ELSE least(sync_attempts, 1000000) + 1 END,
    next_attempt_at = CASE
        WHEN %(is_outage)s THEN next_attempt_at
        ELSE clock_timestamp() + least(interval '1 minute' * power(2, least(sync_attempts, 10)), interval '6 hours')
    END
WHERE {key} = ANY (%(records)s::text[]) AND (%(revision)s::bigint IS NULL OR revision = %(revision)s)
