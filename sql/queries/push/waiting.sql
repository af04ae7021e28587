-- Rows that are not at Gazelle yet, and why.
SELECT
    {local}, {record}, {hidden}, t.sync_error, coalesce(s.attempts, 0),
    CASE WHEN s.next_attempt_at BETWEEN '0002-01-01' AND '9998-01-01' THEN s.next_attempt_at END,
    EXISTS (
        SELECT FROM sync_gazelle_logs AS l
        WHERE l.source_table = {source} AND l.piano_id = coalesce({record}, {local}) AND l.status = 'in_doubt'
    )
FROM {table} AS t
LEFT JOIN push_state AS s ON s.source_table = {source} AND s.local_id = {local}
WHERE ({record} IS NOT NULL OR %(nameless)s)
    AND (t.needs_sync OR t.sync_error IS NOT NULL) AND (%(keys)s::text[] IS NULL OR {record} = ANY (%(keys)s::text[]) OR {local} = ANY (%(keys)s::text[]))
ORDER BY t.sync_error IS NULL, t.updated_at, {record}
