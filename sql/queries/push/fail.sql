-- Say why, and when the next try is: after 1, 2, 4, … minutes, at most 6 hours. An outage is not the row's
-- fault: it stays as due as it was. A row that was edited meanwhile is due at once.
WITH failed AS (
    SELECT * FROM jsonb_to_recordset(%(given)s) AS d (local_id text, revision bigint, reason text, is_outage boolean)
),
state AS (
    UPDATE push_state AS s
    SET last_error = failed.reason,
        attempts = CASE WHEN failed.is_outage THEN s.attempts ELSE least(s.attempts, 1000000) + 1 END,
        next_attempt_at = CASE
            WHEN failed.is_outage THEN s.next_attempt_at
            ELSE clock_timestamp() + least(interval '1 minute' * power(2, least(s.attempts, 10)), interval '6 hours')
        END
    FROM failed
    WHERE s.source_table = {source} AND s.local_id = failed.local_id
        AND (failed.revision IS NULL OR s.revision = failed.revision)
    RETURNING s.local_id, failed.reason
)
UPDATE {table} AS t
SET sync_error = state.reason
FROM state
WHERE {local} = state.local_id
