-- Rows of which nobody can tell which record they speak of, and that are to be tried now.
SELECT DISTINCT {local}
FROM {table} AS t
LEFT JOIN push_state AS s ON s.source_table = {source} AND s.local_id = {local}
WHERE {record} IS NULL AND NOT {hidden} AND (t.needs_sync OR t.sync_error IS NOT NULL)
    AND (%(at_once)s OR s.next_attempt_at IS NULL OR s.next_attempt_at <= clock_timestamp())
