-- Rows that are not at Gazelle yet, and why; also those that were deleted here, whose records have not ended.
SELECT
    w.local_id, w.record, w.is_hidden, w.reason, coalesce(s.attempts, 0),
    CASE WHEN s.next_attempt_at BETWEEN '0002-01-01' AND '9998-01-01' THEN s.next_attempt_at END,
    EXISTS (
        SELECT FROM sync_gazelle_logs AS l
        WHERE l.source_table = {source} AND l.piano_id = coalesce(w.record, w.local_id) AND l.status = 'in_doubt'
    )
FROM (
    SELECT {local} AS local_id, {record} AS record, {hidden} AS is_hidden, t.sync_error AS reason, t.updated_at AS since
    FROM {table} AS t
    WHERE ({record} IS NOT NULL OR %(nameless)s) AND (t.needs_sync OR t.sync_error IS NOT NULL)
    UNION ALL
    SELECT d.local_id, d.external_id, false, d.last_error, d.deleted_at
    FROM push_state AS d
    WHERE d.source_table = {source} AND d.deleted_at IS NOT NULL
) AS w
LEFT JOIN push_state AS s ON s.source_table = {source} AND s.local_id = w.local_id
WHERE %(keys)s::text[] IS NULL OR w.record = ANY (%(keys)s::text[]) OR w.local_id = ANY (%(keys)s::text[])
ORDER BY w.reason IS NULL, w.since, w.record
